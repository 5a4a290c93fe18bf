//! The pictures of a source, decoded one after the other as a film asks for them.

use ffmpeg_next::{Error, Packet, Rational, codec::decoder, format, frame, media, software::scaling};
use jobs_core::port::video::{RenderError, Source};

use crate::{ffi, source};

/// A picture of a source, premultiplied, red in the lowest byte.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) px: Vec<u32>,
}

/// Decodes one stream of pictures, forwards.
pub(crate) struct Frames {
    source: Source,
    input: format::context::Input,
    stream: usize,
    decoder: decoder::Video,
    base: Rational,
    /// What the first moment is called in the file.
    first: i64,
    /// What is seen now, and what will be next.
    shown: Option<frame::Video>,
    next: Option<frame::Video>,
    is_over: bool,
    scaler: Option<Scaler>,
    size: (u32, u32),
    picture: Option<Picture>,
}

struct Scaler {
    context: scaling::Context,
    from: (format::Pixel, u32, u32),
}

/// Packets that cannot be decoded are left out, up to so many in a row.
const MAX_BROKEN: u32 = 100;

impl Frames {
    /// The pictures of `source` from `from_ms` on. `size` says how large they are wanted, from how large they are.
    pub(crate) fn open(
        source: &Source,
        from_ms: u32,
        size: impl Fn(u32, u32) -> (u32, u32),
    ) -> Result<Self, RenderError> {
        let mut input = source::open(source)?;
        let (stream, base, first, decoder) = {
            let best = input.streams().best(media::Type::Video);
            let stream = best.ok_or_else(|| source::invalid(source, "has no pictures"))?;
            let video = source::decoder(source, &stream)?.video().map_err(|error| source::invalid(source, error))?;
            (stream.index(), stream.time_base(), stream.start_time().max(0), video)
        };
        let (width, height) = size(decoder.width().max(1), decoder.height().max(1));
        if from_ms > 0 {
            let at = i64::from(from_ms) * 1000;
            // To the key frame before; where a file cannot be sought, everything before is decoded.
            let _ = input.seek(at, ..at);
        }
        Ok(Self {
            source: source.clone(),
            input,
            stream,
            decoder,
            base,
            first,
            shown: None,
            next: None,
            is_over: false,
            scaler: None,
            size: (width.max(1), height.max(1)),
            picture: None,
        })
    }

    /// The picture that is seen `at_ms` after the start of the source. `at_ms` must not go back. After the last one that one stays.
    pub(crate) fn at(&mut self, at_ms: f64) -> Result<&Picture, RenderError> {
        loop {
            if self.next.is_none() && !self.is_over {
                self.next = self.decode()?;
                self.is_over = self.next.is_none();
            }
            let is_due =
                self.next.as_ref().is_some_and(|next| self.shown.is_none() || self.time_ms(next) <= at_ms + 1.0);
            if !is_due {
                break;
            }
            self.shown = self.next.take();
            self.picture = None;
        }
        let Some(shown) = &self.shown else {
            return Err(source::invalid(&self.source, "has no picture that can be decoded"));
        };
        if self.picture.is_none() {
            let made = convert(shown, self.size, &mut self.scaler);
            self.picture = Some(made.map_err(|error| source::invalid(&self.source, error))?);
        }
        match &self.picture {
            Some(picture) => Ok(picture),
            None => Err(source::invalid(&self.source, "has no picture")),
        }
    }

    fn time_ms(&self, picture: &frame::Video) -> f64 {
        let at = picture.timestamp().or(picture.pts()).unwrap_or(self.first) - self.first;
        at as f64 * f64::from(self.base) * 1000.0
    }

    fn decode(&mut self) -> Result<Option<frame::Video>, RenderError> {
        let mut broken = 0;
        let mut picture = frame::Video::empty();
        loop {
            match self.decoder.receive_frame(&mut picture) {
                Ok(()) => return Ok(Some(picture)),
                Err(Error::Eof) => return Ok(None),
                Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => {}
                Err(_) => broken += 1,
            }
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() == self.stream => {
                    if self.decoder.send_packet(&packet).is_err() {
                        broken += 1;
                    }
                }
                Ok(()) => {}
                // The end, also of a file that was cut off.
                Err(_) => {
                    let _ = self.decoder.send_eof();
                }
            }
            if broken > MAX_BROKEN {
                return Err(source::invalid(&self.source, "has too many pictures that cannot be decoded"));
            }
        }
    }
}

/// The one picture of a source, or its first.
pub(crate) fn still(source: &Source, size: impl Fn(u32, u32) -> (u32, u32)) -> Result<Picture, RenderError> {
    let mut frames = Frames::open(source, 0, size)?;
    frames.at(0.0)?;
    frames.picture.take().ok_or_else(|| source::invalid(source, "has no picture"))
}

fn convert(picture: &frame::Video, size: (u32, u32), scaler: &mut Option<Scaler>) -> Result<Picture, Error> {
    let from = (picture.format(), picture.width(), picture.height());
    if scaler.as_ref().is_none_or(|scaler| scaler.from != from) {
        let flags = scaling::Flags::BICUBIC | scaling::Flags::ACCURATE_RND | scaling::Flags::FULL_CHR_H_INT;
        let mut context = scaling::Context::get(from.0, from.1, from.2, format::Pixel::RGBA, size.0, size.1, flags)?;
        ffi::use_matrix_of(&mut context, picture);
        *scaler = Some(Scaler { context, from });
    }
    let mut rgba = frame::Video::empty();
    if let Some(scaler) = scaler {
        scaler.context.run(picture, &mut rgba)?;
    }
    let (width, height) = (size.0 as usize, size.1 as usize);
    let mut px = Vec::with_capacity(width * height);
    for row in rgba.data(0).chunks(rgba.stride(0)).take(height) {
        px.extend(row.chunks_exact(4).take(width).map(|p| premultiplied([p[0], p[1], p[2], p[3]])));
    }
    px.resize(width * height, 0);
    Ok(Picture { width, height, px })
}

fn premultiplied([r, g, b, a]: [u8; 4]) -> u32 {
    let channel = |c: u8| ((u16::from(c) * u16::from(a) + 127) / 255) as u8;
    if a == 255 {
        u32::from_le_bytes([r, g, b, a])
    } else {
        u32::from_le_bytes([channel(r), channel(g), channel(b), a])
    }
}
