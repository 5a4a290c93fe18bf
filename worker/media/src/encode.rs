//! Writing a film: H.264 and AAC in an MP4 that plays while it loads.

use std::path::Path;

use ffmpeg_next::{ChannelLayout, Dictionary, Error, Packet, Rational, codec, color, encoder, format, frame};
use jobs_core::port::video::{Quality, RenderError, RenderFault, VideoSpec};

use crate::{canvas::Canvas, failure::failed, ffi, music::RATE, yuv};

/// Frames that x264 works on at a time. Fixed, because the bytes of the film depend on it; and two cores are busy with
/// three of them.
const ENCODER_THREADS: usize = 4;

/// Samples that AAC takes at a time.
const AUDIO_FRAME: usize = 1024;

const AUDIO_BIT_RATE: usize = 192_000;

/// An MP4 that is being written.
pub(crate) struct Writer {
    file: format::context::Output,
    video: encoder::Video,
    audio: encoder::Audio,
    picture: frame::Video,
    video_base: Rational,
    audio_base: Rational,
    frames: i64,
    samples: i64,
}

const VIDEO_STREAM: usize = 0;
const AUDIO_STREAM: usize = 1;

impl Writer {
    pub(crate) fn create(path: &Path, spec: &VideoSpec, title: &str) -> Result<Self, RenderError> {
        let mut file = format::output_as(path, "mp4").map_err(failed("open the file"))?;
        let video_base = Rational(1, spec.fps as i32);
        let audio_base = Rational(1, RATE as i32);
        let video = open_video(spec, video_base)?;
        let audio = open_audio(audio_base)?;
        {
            let mut stream = file.add_stream(video.codec()).map_err(failed("add the video stream"))?;
            stream.set_parameters(&video);
            stream.set_time_base(video_base);
            stream.set_avg_frame_rate(video_base.invert());
        }
        {
            let mut stream = file.add_stream(audio.codec()).map_err(failed("add the audio stream"))?;
            stream.set_parameters(&audio);
            stream.set_time_base(audio_base);
        }
        let mut metadata = Dictionary::new();
        metadata.set("title", title);
        file.set_metadata(metadata);
        let mut options = Dictionary::new();
        // The index goes to the front; no clock and no version goes in, so equal films are equal files.
        options.set("movflags", "+faststart");
        options.set("fflags", "+bitexact");
        file.write_header_with(options).map_err(failed("write the header"))?;
        let mut picture = frame::Video::new(format::Pixel::YUV420P, spec.width_px, spec.height_px);
        picture.set_color_space(color::Space::BT709);
        picture.set_color_range(color::Range::MPEG);
        Ok(Self { file, video, audio, picture, video_base, audio_base, frames: 0, samples: 0 })
    }

    /// Appends one picture.
    pub(crate) fn picture(&mut self, canvas: &Canvas) -> Result<(), RenderError> {
        let planes = ffi::planes_mut(&mut self.picture).map_err(failed("take a picture"))?;
        yuv::to_video(canvas, planes);
        self.picture.set_pts(Some(self.frames));
        self.picture.set_kind(ffmpeg_next::picture::Type::None);
        self.frames += 1;
        self.video.send_frame(&self.picture).map_err(failed("encode a picture"))?;
        self.drain(VIDEO_STREAM)
    }

    /// Appends sound, left and right interleaved, in pieces that the encoder takes.
    pub(crate) fn sound(&mut self, samples: &[f32]) -> Result<(), RenderError> {
        for piece in samples.chunks(AUDIO_FRAME * 2) {
            let count = piece.len() / 2;
            let kind = format::Sample::F32(format::sample::Type::Planar);
            let mut sound = frame::Audio::new(kind, count, ChannelLayout::STEREO);
            sound.set_rate(RATE);
            sound.set_pts(Some(self.samples));
            self.samples += count as i64;
            for side in 0..2 {
                let plane = &mut sound.plane_mut::<f32>(side)[..count];
                plane.iter_mut().zip(piece.iter().skip(side).step_by(2)).for_each(|(to, from)| *to = *from);
            }
            self.audio.send_frame(&sound).map_err(failed("encode sound"))?;
            self.drain(AUDIO_STREAM)?;
        }
        Ok(())
    }

    /// How many samples make a piece that does not end the track.
    pub(crate) fn whole_pieces(samples: usize) -> usize {
        samples / AUDIO_FRAME * AUDIO_FRAME
    }

    /// Writes what the encoders still hold, and the index.
    pub(crate) fn finish(mut self) -> Result<(), RenderError> {
        self.video.send_eof().map_err(failed("end the video"))?;
        self.drain(VIDEO_STREAM)?;
        self.audio.send_eof().map_err(failed("end the sound"))?;
        self.drain(AUDIO_STREAM)?;
        self.file.write_trailer().map_err(failed("write the index"))
    }

    fn drain(&mut self, stream: usize) -> Result<(), RenderError> {
        let mut packet = Packet::empty();
        loop {
            let received = match stream {
                VIDEO_STREAM => self.video.receive_packet(&mut packet),
                _ => self.audio.receive_packet(&mut packet),
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

fn open_video(spec: &VideoSpec, base: Rational) -> Result<encoder::Video, RenderError> {
    let codec = encoder::find_by_name("libx264").ok_or_else(|| {
        let message =
            "this FFmpeg has no libx264: install libavcodec with x264 (Debian: libavcodec-extra or libavcodec)";
        RenderError::new(RenderFault::EncoderMissing, message)
    })?;
    let context = codec::context::Context::new_with_codec(codec).encoder().video();
    let mut video = context.map_err(failed("prepare H.264"))?;
    video.set_width(spec.width_px);
    video.set_height(spec.height_px);
    video.set_format(format::Pixel::YUV420P);
    video.set_time_base(base);
    video.set_frame_rate(Some(base.invert()));
    video.set_aspect_ratio(Rational(1, 1));
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
    let (preset, crf) = match spec.quality {
        Quality::Draft => ("superfast", "26"),
        Quality::Medium => ("veryfast", "20"),
        Quality::High => ("medium", "18"),
    };
    let mut options = Dictionary::new();
    options.set("preset", preset);
    options.set("crf", crf);
    options.set("profile", "high");
    video.open_as_with(codec, options).map_err(failed("open H.264"))
}

fn open_audio(base: Rational) -> Result<encoder::Audio, RenderError> {
    let codec = encoder::find(codec::Id::AAC)
        .ok_or_else(|| RenderError::new(RenderFault::EncoderMissing, "this FFmpeg has no AAC encoder"))?;
    let context = codec::context::Context::new_with_codec(codec).encoder().audio();
    let mut audio = context.map_err(failed("prepare AAC"))?;
    audio.set_rate(RATE as i32);
    audio.set_format(format::Sample::F32(format::sample::Type::Planar));
    audio.set_channel_layout(ChannelLayout::STEREO);
    audio.set_bit_rate(AUDIO_BIT_RATE);
    audio.set_time_base(base);
    audio.set_flags(codec::Flags::GLOBAL_HEADER);
    audio.open_as(codec).map_err(failed("open AAC"))
}
