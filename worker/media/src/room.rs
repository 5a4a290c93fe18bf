//! A room around the music: Schroeder's reverberator (Schroeder 1962; tunings as in Freeverb).

/// Feedback delays, in samples at 48 kHz, for the left side; the right side's are a little longer.
const COMBS: [usize; 4] = [1214, 1293, 1390, 1476];
const SIDE_SPREAD: usize = 25;
const ALLPASSES: [usize; 2] = [605, 480];
const FEEDBACK: f32 = 0.82;
const DAMPING: f32 = 0.35;
const WET: f32 = 0.22;

/// Adds the echo of `samples` (left and right, interleaved) to themselves.
pub(crate) fn reverb(samples: &mut [f32]) {
    for side in 0..2 {
        let spread = side * SIDE_SPREAD;
        let mut combs = COMBS.map(|len| Comb { line: vec![0.0; len + spread], at: 0, low: 0.0 });
        let mut passes = ALLPASSES.map(|len| Allpass { line: vec![0.0; len + spread], at: 0 });
        for sample in samples.iter_mut().skip(side).step_by(2) {
            let mut echo: f32 = combs.iter_mut().map(|comb| comb.next(*sample)).sum();
            for pass in &mut passes {
                echo = pass.next(echo);
            }
            *sample += echo * WET;
        }
    }
}

struct Comb {
    line: Vec<f32>,
    at: usize,
    low: f32,
}

impl Comb {
    fn next(&mut self, input: f32) -> f32 {
        let out = self.line[self.at];
        self.low = out * (1.0 - DAMPING) + self.low * DAMPING;
        self.line[self.at] = input + self.low * FEEDBACK;
        self.at = (self.at + 1) % self.line.len();
        out
    }
}

struct Allpass {
    line: Vec<f32>,
    at: usize,
}

impl Allpass {
    fn next(&mut self, input: f32) -> f32 {
        let held = self.line[self.at];
        self.line[self.at] = input + held * 0.5;
        self.at = (self.at + 1) % self.line.len();
        held - input
    }
}
