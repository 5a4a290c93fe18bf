//! Writing a film: H.264 and AAC in an MP4 that plays while it loads, VP9 and Opus in a WebM, or a GIF.

use std::path::Path;

use ffmpeg_next::{ChannelLayout, Dictionary, Error, Packet, Rational, codec, color, encoder, format, frame};
use jobs_core::port::video::{Format, Quality, RenderError, RenderFault, VideoSpec};

use crate::{canvas::Canvas, failure::failed, ffi, music::RATE, palette::Palette, yuv};

/// Frames that x264 works on at a time. Fixed, because the bytes of the film depend on it; and two cores are busy with
/// three of them.
const ENCODER_THREADS: usize = 4;

/// Samples that AAC and Opus take at a time.
const AAC_FRAME: usize = 1024;
const OPUS_FRAME: usize = 960;

const AAC_BIT_RATE: usize = 192_000;
const OPUS_BIT_RATE: usize = 128_000;

/// A file that is being written.
pub(crate) struct Writer {
    file: format::context::Output,
    video: encoder::Video,
    /// Where the format has sound.
    audio: Option<Sound>,
    picture: frame::Video,
    /// Where the format has few colours.
    palette: Option<Palette>,
    video_base: Rational,
    audio_base: Rational,
    frames: i64,
}

/// Sound that is being encoded.
struct Sound {
    encoder: encoder::Audio,
    kind: format::Sample,
    /// Samples that it takes at a time.
    frame: usize,
    samples: i64,
}

const VIDEO_STREAM: usize = 0;
const AUDIO_STREAM: usize = 1;

impl Writer {
    pub(crate) fn create(path: &Path, spec: &VideoSpec, title: &str) -> Result<Self, RenderError> {
        let mut file = format::output_as(path, spec.format.name()).map_err(failed("open the file"))?;
        let video_base = Rational(1, spec.fps as i32);
        let audio_base = Rational(1, RATE as i32);
        let video = open_video(spec, video_base)?;
        let audio = open_audio(spec.format, audio_base)?;
        {
            let mut stream = file.add_stream(video.codec()).map_err(failed("add the video stream"))?;
            stream.set_parameters(&video);
            stream.set_time_base(video_base);
            stream.set_avg_frame_rate(video_base.invert());
        }
        if let Some(audio) = &audio {
            let codec = audio.encoder.codec();
            let mut stream = file.add_stream(codec).map_err(failed("add the audio stream"))?;
            stream.set_parameters(&audio.encoder);
            stream.set_time_base(audio_base);
        }
        let mut metadata = Dictionary::new();
        if !title.is_empty() {
            metadata.set("title", title);
        }
        file.set_metadata(metadata);
        let mut options = Dictionary::new();
        // The index goes to the front; no clock and no version goes in, so equal films are equal files.
        if spec.format == Format::Mp4 {
            options.set("movflags", "+faststart");
        }
        options.set("fflags", "+bitexact");
        file.write_header_with(options).map_err(failed("write the header"))?;
        let mut picture = frame::Video::new(format::Pixel::YUV420P, spec.width_px, spec.height_px);
        picture.set_color_space(color::Space::BT709);
        picture.set_color_range(color::Range::MPEG);
        let palette = match spec.format {
            Format::Gif => Some(Palette::new(spec.width_px, spec.height_px, spec.fps)?),
            Format::Mp4 | Format::Webm => None,
        };
        Ok(Self { file, video, audio, picture, palette, video_base, audio_base, frames: 0 })
    }

    /// Appends one picture.
    pub(crate) fn picture(&mut self, canvas: &Canvas) -> Result<(), RenderError> {
        if let Some(palette) = &mut self.palette {
            let mut picture = palette.reduce(canvas)?;
            picture.set_pts(Some(self.frames));
            self.video.send_frame(&picture).map_err(failed("encode a picture"))?;
        } else {
            let planes = ffi::planes_mut(&mut self.picture).map_err(failed("take a picture"))?;
            yuv::to_video(canvas, planes);
            self.picture.set_pts(Some(self.frames));
            self.picture.set_kind(ffmpeg_next::picture::Type::None);
            self.video.send_frame(&self.picture).map_err(failed("encode a picture"))?;
        }
        self.frames += 1;
        self.drain(VIDEO_STREAM)
    }

    /// Appends sound, left and right interleaved, in pieces that the encoder takes.
    pub(crate) fn sound(&mut self, samples: &[f32]) -> Result<(), RenderError> {
        let Some(size) = self.audio.as_ref().map(|audio| audio.frame) else { return Ok(()) };
        for piece in samples.chunks(size * 2) {
            if let Some(audio) = &mut self.audio {
                audio.send(piece).map_err(failed("encode sound"))?;
            }
            self.drain(AUDIO_STREAM)?;
        }
        Ok(())
    }

    /// How many of so many samples make pieces that do not end the track.
    pub(crate) fn whole_pieces(&self, samples: usize) -> usize {
        let size = self.audio.as_ref().map_or(AAC_FRAME, |audio| audio.frame);
        samples / size * size
    }

    /// Writes what the encoders still hold, and the index.
    pub(crate) fn finish(mut self) -> Result<(), RenderError> {
        self.video.send_eof().map_err(failed("end the video"))?;
        self.drain(VIDEO_STREAM)?;
        if let Some(audio) = &mut self.audio {
            audio.encoder.send_eof().map_err(failed("end the sound"))?;
            self.drain(AUDIO_STREAM)?;
        }
        self.file.write_trailer().map_err(failed("write the index"))
    }

    fn drain(&mut self, stream: usize) -> Result<(), RenderError> {
        let mut packet = Packet::empty();
        loop {
            let received = match stream {
                VIDEO_STREAM => self.video.receive_packet(&mut packet),
                _ => match &mut self.audio {
                    Some(audio) => audio.encoder.receive_packet(&mut packet),
                    None => return Ok(()),
                },
            };
            match received {
                Ok(()) => {}
                Err(Error::Eof) => return Ok(()),
                Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => return Ok(()),
                Err(error) => return Err(failed("take what was encoded")(error)),
            }
            packet.set_stream(stream);
            let base = if stream == VIDEO_STREAM { self.video_base } else { self.audio_base };
            if stream == VIDEO_STREAM {
                packet.set_duration(1);
            }
            if let Some(target) = self.file.stream(stream) {
                packet.rescale_ts(base, target.time_base());
            }
            packet.write_interleaved(&mut self.file).map_err(failed("write to the file"))?;
        }
    }
}

impl Sound {
    fn send(&mut self, piece: &[f32]) -> Result<(), Error> {
        let count = piece.len() / 2;
        let mut sound = frame::Audio::new(self.kind, count, ChannelLayout::STEREO);
        sound.set_rate(RATE);
        sound.set_pts(Some(self.samples));
        self.samples += count as i64;
        if self.kind.is_planar() {
            for side in 0..2 {
                let plane = &mut sound.plane_mut::<f32>(side)[..count];
                plane.iter_mut().zip(piece.iter().skip(side).step_by(2)).for_each(|(to, from)| *to = *from);
            }
        } else {
            let bytes = sound.data_mut(0);
            bytes.chunks_exact_mut(4).zip(piece).for_each(|(to, from)| to.copy_from_slice(&from.to_ne_bytes()));
        }
        self.encoder.send_frame(&sound)
    }
}

fn open_video(spec: &VideoSpec, base: Rational) -> Result<encoder::Video, RenderError> {
    let (name, pixels) = match spec.format {
        Format::Mp4 => ("libx264", format::Pixel::YUV420P),
        Format::Webm => ("libvpx-vp9", format::Pixel::YUV420P),
        Format::Gif => ("gif", format::Pixel::PAL8),
    };
    let codec = encoder::find_by_name(name).ok_or_else(|| {
        let message = format!(
            "this FFmpeg has no {name}: install a libavcodec that has it (Debian: libavcodec-extra or libavcodec)"
        );
        RenderError::new(RenderFault::EncoderMissing, message)
    })?;
    let context = codec::context::Context::new_with_codec(codec).encoder().video();
    let mut video = context.map_err(failed("prepare the video encoder"))?;
    video.set_width(spec.width_px);
    video.set_height(spec.height_px);
    video.set_format(pixels);
    video.set_time_base(base);
    video.set_frame_rate(Some(base.invert()));
    video.set_aspect_ratio(Rational(1, 1));
    let mut options = Dictionary::new();
    if spec.format == Format::Gif {
        return video.open_as_with(codec, options).map_err(failed("open the video encoder"));
    }
    // A key frame every two seconds, so that seeking is quick.
    video.set_gop(spec.fps * 2);
    video.set_colorspace(color::Space::BT709);
    video.set_color_range(color::Range::MPEG);
    video.set_color_primaries(color::Primaries::BT709);
    ffi::tag_transfer_bt709(&mut video);
    // This replaces the encoder's own flags. Without CLOSED_GOP x264 would make open groups, and seeking would show errors.
    video.set_flags(codec::Flags::GLOBAL_HEADER | codec::Flags::CLOSED_GOP);
    video.set_threading(codec::threading::Config {
        kind: codec::threading::Type::Frame,
        count: ENCODER_THREADS,
        ..codec::threading::Config::default()
    });
    let settings: &[(&str, &str)] = match (spec.format, spec.quality) {
        (Format::Webm, Quality::Draft) => {
            &[("deadline", "realtime"), ("cpu-used", "8"), ("crf", "40"), ("row-mt", "1")]
        }
        (Format::Webm, Quality::Medium) => {
            &[("deadline", "realtime"), ("cpu-used", "7"), ("crf", "30"), ("row-mt", "1")]
        }
        (Format::Webm, Quality::High) => &[("deadline", "good"), ("cpu-used", "4"), ("crf", "24"), ("row-mt", "1")],
        (_, Quality::Draft) => &[("preset", "superfast"), ("crf", "26"), ("profile", "high")],
        (_, Quality::Medium) => &[("preset", "veryfast"), ("crf", "20"), ("profile", "high")],
        (_, Quality::High) => &[("preset", "medium"), ("crf", "18"), ("profile", "high")],
    };
    settings.iter().for_each(|(name, value)| options.set(name, value));
    video.open_as_with(codec, options).map_err(failed("open the video encoder"))
}

fn open_audio(format: Format, base: Rational) -> Result<Option<Sound>, RenderError> {
    use format::sample::{Sample::F32, Type};
    let (codec, kind, frame, bit_rate) = match format {
        Format::Gif => return Ok(None),
        Format::Mp4 => (encoder::find(codec::Id::AAC), F32(Type::Planar), AAC_FRAME, AAC_BIT_RATE),
        Format::Webm => (encoder::find_by_name("libopus"), F32(Type::Packed), OPUS_FRAME, OPUS_BIT_RATE),
    };
    let codec = codec.ok_or_else(|| {
        RenderError::new(RenderFault::EncoderMissing, "this FFmpeg has no encoder for the sound of this format")
    })?;
    let context = codec::context::Context::new_with_codec(codec).encoder().audio();
    let mut audio = context.map_err(failed("prepare the sound encoder"))?;
    audio.set_rate(RATE as i32);
    audio.set_format(kind);
    audio.set_channel_layout(ChannelLayout::STEREO);
    audio.set_bit_rate(bit_rate);
    audio.set_time_base(base);
    audio.set_flags(codec::Flags::GLOBAL_HEADER);
    let encoder = audio.open_as(codec).map_err(failed("open the sound encoder"))?;
    Ok(Some(Sound { encoder, kind, frame, samples: 0 }))
}
