//! Paints the pictures and makes the voice that the films in `examples/` are made with, so that there is nothing to license.
//!
//! `cargo run -p engine-media --example scenery -- DIRECTORY`

use std::{fs, io, path::Path};

use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, PathBuilder, Pixmap, Point, RadialGradient, Rect, SpreadMode,
    Transform,
};

const WIDTH: u32 = 1760;
const HEIGHT: u32 = 1100;

fn main() -> io::Result<()> {
    let Some(dir) = std::env::args().nth(1) else { return Err(io::Error::other("say which directory")) };
    let dir = Path::new(&dir);
    fs::create_dir_all(dir)?;
    let pictures = [
        ("dawn.png", dawn as fn() -> Scene),
        ("lake.png", lake),
        ("dunes.png", dunes),
        ("forest.png", forest),
        ("city.png", city),
        ("harbour.png", harbour),
    ];
    for (name, paint) in pictures {
        paint().save(&dir.join(name))?;
    }
    lamp().save(&dir.join("lamp.png"))?;
    mark().save(&dir.join("mark.png"))?;
    fs::write(dir.join("voice.wav"), wav(&voice()))
}

/// A picture that is being painted.
struct Scene {
    pixmap: Pixmap,
    random: u64,
}

impl Scene {
    fn new(width: u32, height: u32, seed: u64) -> Self {
        let pixmap = Pixmap::new(width, height).expect("a size");
        Self { pixmap, random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.pixmap.encode_png().map_err(io::Error::other)?)
    }

    /// 0 to 1 (xorshift64).
    fn random(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 40) as f32 / (1u64 << 24) as f32
    }

    fn size(&self) -> (f32, f32) {
        (self.pixmap.width() as f32, self.pixmap.height() as f32)
    }

    fn fill(&mut self, path: Option<tiny_skia::Path>, paint: &Paint<'_>) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    fn sky(&mut self, stops: &[(f32, u32)]) {
        let (width, height) = self.size();
        let paint = vertical(stops, 0.0, height);
        self.fill(rect(0.0, 0.0, width, height), &paint);
    }

    fn glow(&mut self, x: f32, y: f32, radius: f32, rgb: u32, alpha: u8) {
        let stops = vec![
            GradientStop::new(0.0, color(rgb, alpha)),
            GradientStop::new(0.35, color(rgb, alpha / 3)),
            GradientStop::new(1.0, color(rgb, 0)),
        ];
        let at = Point::from_xy(x, y);
        let shader = RadialGradient::new(at, 0.0, at, radius, stops, SpreadMode::Pad, Transform::identity());
        let paint = Paint { shader: shader.expect("a gradient"), ..Paint::default() };
        self.fill(rect(x - radius, y - radius, radius * 2.0, radius * 2.0), &paint);
    }

    fn disc(&mut self, x: f32, y: f32, radius: f32, rgb: u32, alpha: u8) {
        self.fill(PathBuilder::from_circle(x, y, radius), &plain(rgb, alpha));
    }

    fn block(&mut self, x: f32, y: f32, width: f32, height: f32, rgb: u32, alpha: u8) {
        self.fill(rect(x, y, width, height), &plain(rgb, alpha));
    }

    /// Hills from edge to edge, rougher the higher `rough` is, in fog towards their foot.
    fn ridge(&mut self, base: f32, height: f32, rough: f32, top: u32, foot: u32) {
        let (width, bottom) = self.size();
        let waves: Vec<(f32, f32, f32)> = (0..9)
            .map(|octave| {
                let frequency = 1.4f32.powi(octave) * (2.0 + self.random());
                (frequency, self.random() * 6.3, rough.powi(octave))
            })
            .collect();
        let total: f32 = waves.iter().map(|wave| wave.2).sum();
        let mut path = PathBuilder::new();
        path.move_to(0.0, bottom);
        for x in (0..=width as u32).step_by(3) {
            let t = x as f32 / width;
            let sum: f32 = waves.iter().map(|(f, phase, gain)| (t * f * 3.1 + phase).sin() * gain).sum();
            // Crests of rock are sharper than valleys; those of sand are as round.
            let crest = if rough < 0.4 { 0.5 + 0.5 * sum / total } else { (1.0 - (sum / total).abs()).powi(2) };
            path.line_to(x as f32, base - height * crest);
        }
        path.line_to(width, bottom);
        path.close();
        self.fill(path.finish(), &vertical(&[(0.0, top), (1.0, foot)], base - height, base + height * 0.5));
    }

    fn firs(&mut self, base: f32, height: f32, count: usize, rgb: u32) {
        let (width, bottom) = self.size();
        for index in 0..count {
            let x = (index as f32 + self.random()) / count as f32 * width;
            let tall = height * (0.55 + 0.6 * self.random());
            let wide = tall * (0.16 + 0.05 * self.random());
            let foot = base + self.random() * height * 0.25;
            let mut path = PathBuilder::new();
            path.move_to(x, foot - tall);
            for step in 1..=7u32 {
                let down = step as f32 / 7.0;
                path.line_to(x + wide * down * 1.15, foot - tall * (1.0 - down));
                path.line_to(x + wide * down * 0.62, foot - tall * (1.0 - down) - tall * 0.01);
            }
            path.line_to(x, bottom);
            for step in (1..=7u32).rev() {
                let down = step as f32 / 7.0;
                path.line_to(x - wide * down * 0.62, foot - tall * (1.0 - down) - tall * 0.01);
                path.line_to(x - wide * down * 1.15, foot - tall * (1.0 - down));
            }
            path.close();
            self.fill(path.finish(), &plain(rgb, 255));
            self.block(x - wide * 0.05, foot - 4.0, wide * 0.1, bottom - foot + 4.0, rgb, 255);
        }
    }

    /// What is above `line`, mirrored below it, darker and broken by waves.
    fn water(&mut self, line: u32, tint: u32, alpha: u8) {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let source = self.pixmap.clone();
        let px = source.data();
        let data = self.pixmap.data_mut();
        for y in line..height {
            let depth = (y - line) as f32;
            let wave = ((depth * 0.9).sqrt() * 5.2).sin() * (1.0 + depth * 0.02);
            let from = (line as f32 - depth * 1.05 + wave).clamp(0.0, line as f32 - 1.0) as u32;
            for x in 0..width {
                let shift = ((depth * 0.55 + (x as f32 * 0.012).sin() * 2.0).sin() * (1.0 + depth * 0.03)) as i32;
                let sx = (x as i32 + shift).clamp(0, width as i32 - 1) as u32;
                let (to, of) = (((y * width + x) * 4) as usize, ((from * width + sx) * 4) as usize);
                data[to..to + 4].copy_from_slice(&px[of..of + 4]);
            }
        }
        self.block(0.0, line as f32, width as f32, (height - line) as f32, tint, alpha);
    }

    fn stars(&mut self, count: usize, bottom: f32) {
        let width = self.size().0;
        for _ in 0..count {
            let (x, y, bright) = (self.random() * width, self.random() * bottom, self.random());
            self.disc(x, y, 0.6 + bright * 1.1, 0xff_ffff, (60.0 + 150.0 * bright * bright) as u8);
        }
    }

    fn skyline(&mut self, base: f32, tallest: f32, rgb: u32, lit: u32, share: f32) {
        let width = self.size().0;
        let mut x = -20.0;
        while x < width {
            let wide = 50.0 + 90.0 * self.random();
            let tall = tallest * (0.35 + 0.65 * self.random() * (0.6 + 0.4 * (x / width * 3.1).sin().abs()));
            self.block(x, base - tall, wide, tall + 400.0, rgb, 255);
            if self.random() > 0.6 {
                self.block(x + wide * 0.48, base - tall - 46.0, 4.0, 46.0, rgb, 255);
            }
            let (columns, rows) = ((wide / 17.0) as u32, (tall / 24.0) as u32);
            for cell in 0..columns.saturating_sub(1) * rows.saturating_sub(1) {
                if self.random() < share {
                    let (column, row) = (cell % (columns - 1), cell / (columns - 1));
                    let alpha = (110.0 + 140.0 * self.random()) as u8;
                    self.block(
                        x + 10.0 + column as f32 * 17.0,
                        base - tall + 14.0 + row as f32 * 24.0,
                        7.0,
                        11.0,
                        lit,
                        alpha,
                    );
                }
            }
            x += wide + 6.0 * self.random();
        }
    }
}

fn dawn() -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT, 11);
    scene.sky(&[(0.0, 0x2b_3a67), (0.32, 0x9a_6d8f), (0.55, 0xf2_a488), (0.72, 0xff_d9a8)]);
    scene.glow(1180.0, 560.0, 620.0, 0xff_e2b0, 230);
    scene.disc(1180.0, 560.0, 58.0, 0xff_f6df, 255);
    scene.ridge(760.0, 300.0, 0.62, 0xb4_8aa2, 0xf0_b9a0);
    scene.ridge(840.0, 290.0, 0.6, 0x80_6589, 0xc9_94a0);
    scene.ridge(930.0, 270.0, 0.58, 0x54_4670, 0x8d_6b8c);
    scene.ridge(1040.0, 230.0, 0.55, 0x2d_2a50, 0x4f_426f);
    scene.firs(1120.0, 170.0, 46, 0x17_1a36);
    scene
}

fn lake() -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT, 29);
    scene.sky(&[(0.0, 0x2f_7fb8), (0.35, 0x8c_c6e0), (0.6, 0xe6_f1ea)]);
    scene.glow(420.0, 300.0, 480.0, 0xff_ffff, 150);
    scene.ridge(640.0, 380.0, 0.64, 0xf4_f7fa, 0x8a_a9c4);
    scene.ridge(680.0, 260.0, 0.6, 0x6f_8fae, 0xa7_bfcd);
    scene.ridge(710.0, 130.0, 0.5, 0x3f_6a63, 0x5f_8a77);
    scene.firs(705.0, 110.0, 70, 0x1d_4a45);
    scene.block(0.0, 716.0, WIDTH as f32, 6.0, 0xda_e9e4, 160);
    scene.water(722, 0x0d_4a66, 84);
    scene
}

fn dunes() -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT, 5);
    scene.sky(&[(0.0, 0xf7_c59f), (0.5, 0xff_e8cf), (0.7, 0xff_f3e2)]);
    scene.disc(520.0, 330.0, 120.0, 0xff_fbf2, 235);
    scene.ridge(660.0, 120.0, 0.34, 0xf0_b083, 0xf7_cda6);
    scene.ridge(780.0, 190.0, 0.3, 0xd9_7f52, 0xf2_b285);
    scene.ridge(930.0, 230.0, 0.28, 0xb3_5638, 0xe0_9264);
    scene.ridge(1090.0, 250.0, 0.26, 0x7d_3428, 0xb5_5d3f);
    scene
}

fn forest() -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT, 71);
    scene.sky(&[(0.0, 0x8f_b9ad), (0.5, 0xd7_e6d6), (1.0, 0xf3_f3e4)]);
    scene.glow(880.0, 330.0, 700.0, 0xff_fdea, 190);
    for (layer, rgb) in [0xa9_c5b6u32, 0x7c_a597, 0x4f_8074, 0x2a_5a52, 0x10_3835].into_iter().enumerate() {
        let depth = layer as f32;
        scene.firs(560.0 + depth * 128.0, 250.0 + depth * 92.0, 44 - layer * 8, rgb);
        scene.block(0.0, 640.0 + depth * 118.0, WIDTH as f32, 500.0, 0xe6_f0e4, 46);
    }
    scene
}

fn city() -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT, 17);
    scene.sky(&[(0.0, 0x14_1638), (0.45, 0x57_3d7a), (0.72, 0xe0_7a6c), (0.86, 0xff_c68a)]);
    scene.stars(90, 420.0);
    scene.glow(900.0, 900.0, 800.0, 0xff_b27a, 170);
    scene.skyline(860.0, 360.0, 0x6b_4a7d, 0xff_dca0, 0.1);
    scene.skyline(940.0, 470.0, 0x3a_2d5e, 0xff_d78f, 0.24);
    scene.skyline(1040.0, 440.0, 0x16_1533, 0xff_d27d, 0.34);
    scene
}

fn harbour() -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT, 41);
    scene.sky(&[(0.0, 0x06_1024), (0.5, 0x14_3152), (0.68, 0x3a_6a86)]);
    scene.stars(220, 520.0);
    scene.disc(1330.0, 250.0, 46.0, 0xf6_f2df, 255);
    scene.glow(1330.0, 250.0, 360.0, 0xdf_ecf5, 120);
    scene.skyline(716.0, 120.0, 0x0c_1c33, 0xff_cf87, 0.34);
    for crane in 0..4 {
        let x = 190.0 + crane as f32 * 330.0;
        for leg in [0.0, 74.0] {
            scene.block(x + leg, 470.0, 9.0, 250.0, 0x04_0b17, 255);
        }
        scene.block(x - 10.0, 540.0, 104.0, 9.0, 0x04_0b17, 255);
        scene.block(x - 60.0, 462.0, 330.0, 11.0, 0x04_0b17, 255);
        scene.block(x + 34.0, 392.0, 8.0, 78.0, 0x04_0b17, 255);
        scene.disc(x + 38.0, 390.0, 5.0, 0xff_5b4d, 255);
        scene.glow(x + 38.0, 390.0, 44.0, 0xff_5b4d, 150);
    }
    for lamp in 0..12 {
        let x = 60.0 + lamp as f32 * 148.0;
        scene.glow(x, 690.0, 66.0, 0xff_c977, 210);
        scene.disc(x, 690.0, 4.5, 0xff_f0cf, 255);
    }
    scene.block(0.0, 712.0, WIDTH as f32, 8.0, 0x03_0914, 255);
    scene.water(720, 0x02_0b1c, 96);
    scene
}

/// A lamp to be sold, on nothing.
fn lamp() -> Scene {
    let mut scene = Scene::new(1000, 1200, 3);
    scene.glow(500.0, 470.0, 500.0, 0xff_d9a0, 150);
    let mut shade = PathBuilder::new();
    shade.move_to(345.0, 300.0);
    shade.quad_to(500.0, 268.0, 655.0, 300.0);
    shade.line_to(775.0, 600.0);
    shade.quad_to(500.0, 662.0, 225.0, 600.0);
    shade.close();
    scene.fill(
        shade.finish(),
        &across(&[(0.0, 0xe8_a95c), (0.42, 0xff_f3d8), (0.58, 0xff_f7e6), (1.0, 0xd9_8f4a)], 225.0, 775.0),
    );
    let stem = across(&[(0.0, 0x8c_5a2b), (0.4, 0xf3_d19a), (1.0, 0x6e_4522)], 480.0, 520.0);
    scene.fill(rect(484.0, 620.0, 32.0, 400.0), &stem);
    let foot = across(&[(0.0, 0x7a_4d26), (0.36, 0xf3_d19a), (1.0, 0x5e_3a1d)], 330.0, 670.0);
    scene.fill(PathBuilder::from_oval(Rect::from_xywh(330.0, 1000.0, 340.0, 86.0).expect("a size")), &foot);
    scene.fill(
        PathBuilder::from_oval(Rect::from_xywh(352.0, 1000.0, 296.0, 60.0).expect("a size")),
        &plain(0xf8_dfb4, 90),
    );
    scene.disc(690.0, 706.0, 11.0, 0xf3_d19a, 255);
    scene.block(688.0, 610.0, 3.0, 92.0, 0xd9_b377, 255);
    scene
}

/// A mark to stand in a corner.
fn mark() -> Scene {
    let mut scene = Scene::new(320, 320, 1);
    scene.disc(160.0, 160.0, 150.0, 0xff_ffff, 255);
    for (index, width) in [170.0f32, 120.0, 70.0].into_iter().enumerate() {
        scene.block(160.0 - width / 2.0, 104.0 + index as f32 * 46.0, width, 22.0, 0x12_2a4a, 255);
    }
    scene
}

const RATE: u32 = 48_000;

/// Eight seconds of somebody who says nothing: a voice of two formants, syllable by syllable.
fn voice() -> Vec<f32> {
    let mut out = vec![0.0f32; RATE as usize * 8];
    let vowels = [(730.0, 1090.0), (530.0, 1840.0), (390.0, 1990.0), (570.0, 840.0), (440.0, 1020.0)];
    let mut random = Scene::new(1, 1, 99);
    let mut at = 0.15f32;
    let mut syllable = 0u32;
    while at < 7.5 {
        let long = 0.11 + 0.12 * random.random();
        let (first, second) = vowels[(random.random() * 4.99) as usize];
        let pitch = 112.0 + 26.0 * (at * 1.7).sin() + 12.0 * random.random();
        let frames = (long * RATE as f32) as usize;
        let start = (at * RATE as f32) as usize;
        for (index, sample) in out[start..].iter_mut().take(frames).enumerate() {
            let (t, share) = (index as f32 / RATE as f32, index as f32 / frames as f32);
            let since = (t * pitch).fract() / pitch;
            let ring = |hz: f32, band: f32| (since * hz * std::f32::consts::TAU).sin() * (-since * band).exp();
            let loud = (share * 8.0).min(1.0) * ((1.0 - share) * 4.0).min(1.0);
            *sample += (ring(first, 420.0) + 0.5 * ring(second, 600.0) + 0.2 * ring(2600.0, 900.0)) * loud * 0.32;
        }
        syllable += 1;
        at += long + if syllable.is_multiple_of(7) { 0.42 } else { 0.03 + 0.05 * random.random() };
    }
    out
}

/// 16 bits, one channel.
fn wav(samples: &[f32]) -> Vec<u8> {
    let bytes = (samples.len() * 2) as u32;
    let mut out = Vec::with_capacity(44 + samples.len() * 2);
    out.extend(b"RIFF");
    out.extend((36 + bytes).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(RATE.to_le_bytes());
    out.extend((RATE * 2).to_le_bytes());
    out.extend(2u16.to_le_bytes());
    out.extend(16u16.to_le_bytes());
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    for sample in samples {
        out.extend(((sample.clamp(-1.0, 1.0) * 32_767.0) as i16).to_le_bytes());
    }
    out
}

fn color(rgb: u32, alpha: u8) -> Color {
    Color::from_rgba8((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8, alpha)
}

fn plain(rgb: u32, alpha: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(color(rgb, alpha));
    paint
}

fn gradient(stops: &[(f32, u32)], from: Point, to: Point) -> Paint<'static> {
    let stops = stops.iter().map(|(at, rgb)| GradientStop::new(*at, color(*rgb, 255))).collect();
    let shader = LinearGradient::new(from, to, stops, SpreadMode::Pad, Transform::identity());
    Paint { shader: shader.expect("a gradient"), ..Paint::default() }
}

fn vertical(stops: &[(f32, u32)], top: f32, bottom: f32) -> Paint<'static> {
    gradient(stops, Point::from_xy(0.0, top), Point::from_xy(0.0, bottom))
}

fn across(stops: &[(f32, u32)], left: f32, right: f32) -> Paint<'static> {
    gradient(stops, Point::from_xy(left, 0.0), Point::from_xy(right, 0.0))
}

fn rect(x: f32, y: f32, width: f32, height: f32) -> Option<tiny_skia::Path> {
    Some(PathBuilder::from_rect(Rect::from_xywh(x, y, width, height)?))
}
