//! The sound of a source, decoded.

use ffmpeg_next::{ChannelLayout, Error, Packet, format, frame, media, software::resampling};
use jobs_core::port::video::{RenderError, Source};

use crate::{music::RATE, source};

const WANTED: format::Sample = format::Sample::F32(format::sample::Type::Packed);

/// At most `frames` samples of left and right, interleaved, from `from_ms` on. Shorter when the source ends before.
pub(crate) fn decode(source: &Source, from_ms: u32, frames: usize) -> Result<Vec<f32>, RenderError> {
    let broken = |error: Error| source::invalid(source, format!("has sound that cannot be decoded: {error}"));
    let mut input = source::open(source)?;
    let (index, base, first, mut decoder) = {
        let best = input.streams().best(media::Type::Audio);
        let stream = best.ok_or_else(|| source::invalid(source, "has no sound"))?;
        let decoder = source::decoder(source, &stream)?.audio().map_err(broken)?;
        (stream.index(), stream.time_base(), stream.start_time().max(0), decoder)
    };
    if from_ms > 0 {
        let at = i64::from(from_ms) * 1000;
        let _ = input.seek(at, ..at);
    }
    let mut sound = Sound { samples: Vec::new(), start: None, resampler: None, end: frames * 2 };
    let mut is_over = false;
    let mut heard = frame::Audio::empty();
    while !sound.is_full() {
        match decoder.receive_frame(&mut heard) {
            Ok(()) => {
                if sound.start.is_none() {
                    let at = heard.timestamp().or(heard.pts()).unwrap_or(first) - first;
                    sound.start = Some(at as f64 * f64::from(base) - f64::from(from_ms) / 1000.0);
                }
                sound.add(&mut heard).map_err(broken)?;
                continue;
            }
            Err(Error::Eof) => break,
            Err(_) if is_over => break,
            Err(_) => {}
        }
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) if packet.stream() == index => {
                // One broken packet is a click, not the end.
                let _ = decoder.send_packet(&packet);
            }
            Ok(()) => {}
            Err(_) => {
                is_over = true;
                let _ = decoder.send_eof();
            }
        }
    }
    Ok(sound.cut())
}

struct Sound {
    samples: Vec<f32>,
    /// Where the first sample is, in seconds after the wanted start: before it after a seek.
    start: Option<f64>,
    resampler: Option<(resampling::Context, (format::Sample, u32, u16))>,
    end: usize,
}

impl Sound {
    fn skipped(&self) -> usize {
        let early = -self.start.unwrap_or(0.0);
        (early.max(0.0) * f64::from(RATE)).round() as usize * 2
    }

    fn is_full(&self) -> bool {
        self.samples.len() >= self.end + self.skipped()
    }

    fn add(&mut self, heard: &mut frame::Audio) -> Result<(), Error> {
        if heard.channel_layout().is_empty() {
            heard.set_channel_layout(ChannelLayout::default(i32::from(heard.channels())));
        }
        let kind = (heard.format(), heard.rate(), heard.channels());
        if self.resampler.as_ref().is_none_or(|(_, before)| *before != kind) {
            let layout = heard.channel_layout();
            let context = resampling::Context::get(kind.0, layout, kind.1, WANTED, ChannelLayout::STEREO, RATE)?;
            self.resampler = Some((context, kind));
        }
        let Some((resampler, _)) = &mut self.resampler else { return Ok(()) };
        let mut out = frame::Audio::empty();
        resampler.run(heard, &mut out)?;
        self.take(&out);
        Ok(())
    }

    fn take(&mut self, out: &frame::Audio) {
        let bytes = out.data(0);
        let count = (out.samples() * 2).min(bytes.len() / 4);
        let samples = bytes.chunks_exact(4).take(count);
        // NaN and infinity would spread over the whole film.
        let finite = |sample: f32| if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 };
        self.samples.extend(samples.map(|b| finite(f32::from_ne_bytes([b[0], b[1], b[2], b[3]]))));
    }

    fn cut(mut self) -> Vec<f32> {
        let late = (self.start.unwrap_or(0.0).max(0.0) * f64::from(RATE)).round() as usize * 2;
        let skipped = self.skipped().min(self.samples.len());
        self.samples.drain(..skipped);
        if late > 0 && late < self.end {
            self.samples.splice(0..0, std::iter::repeat_n(0.0, late));
        }
        self.samples.truncate(self.end);
        self.samples
    }
}
