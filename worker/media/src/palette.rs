//! Few colours: each picture with the palette that suits it best, as GIF needs it.

use ffmpeg_next::{filter, format, frame};
use jobs_core::port::video::{RenderError, RenderFault};

use crate::{canvas::Canvas, failure::failed};

/// Reduces pictures to palettes of their own.
pub(crate) struct Palette {
    graph: filter::Graph,
    picture: frame::Video,
    pictures: i64,
}

/// One palette a picture, or the filter would hold all pictures until the last one. The pattern of the dithering stands still.
const REDUCE: &str = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=bayer:bayer_scale=4";

impl Palette {
    pub(crate) fn new(width_px: u32, height_px: u32, fps: u32) -> Result<Self, RenderError> {
        let missing = |name: &str| {
            let message = format!("this FFmpeg has no filter {name}");
            RenderError::new(RenderFault::EncoderMissing, message)
        };
        let find = |name: &str| filter::find(name).ok_or_else(|| missing(name));
        let mut graph = filter::Graph::new();
        let shape = format!("video_size={width_px}x{height_px}:pix_fmt=rgba:time_base=1/{fps}:pixel_aspect=1/1");
        graph.add(&find("buffer")?, "in", &shape).map_err(failed("prepare a palette"))?;
        graph.add(&find("buffersink")?, "out", "").map_err(failed("prepare a palette"))?;
        let parsed =
            graph.output("in", 0).and_then(|parser| parser.input("out", 0)).and_then(|parser| parser.parse(REDUCE));
        parsed.and_then(|()| graph.validate()).map_err(failed("prepare a palette"))?;
        let picture = frame::Video::new(format::Pixel::RGBA, width_px, height_px);
        Ok(Self { graph, picture, pictures: 0 })
    }

    pub(crate) fn reduce(&mut self, canvas: &Canvas) -> Result<frame::Video, RenderError> {
        let stride = self.picture.stride(0);
        // The filters keep what they were given: the next one is another one.
        let mut picture = frame::Video::new(format::Pixel::RGBA, self.picture.width(), self.picture.height());
        std::mem::swap(&mut picture, &mut self.picture);
        for (row, px) in picture.data_mut(0).chunks_mut(stride).zip(canvas.px.chunks_exact(canvas.width)) {
            row.chunks_exact_mut(4).zip(px).for_each(|(to, px)| to.copy_from_slice(&(px | 0xff00_0000).to_le_bytes()));
        }
        picture.set_pts(Some(self.pictures));
        self.pictures += 1;
        let gone = || RenderError::new(RenderFault::EncodeFailed, "the filters of the palette are gone");
        self.graph.get("in").ok_or_else(gone)?.source().add(&picture).map_err(failed("choose colours"))?;
        let mut reduced = frame::Video::empty();
        self.graph.get("out").ok_or_else(gone)?.sink().frame(&mut reduced).map_err(failed("choose colours"))?;
        Ok(reduced)
    }
}
