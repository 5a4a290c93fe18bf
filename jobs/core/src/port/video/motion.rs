//! How an element moves and changes over its time: curves through keyframes.

use serde::{Deserialize, Serialize};

/// What changes of an element while it is there. Curves of one quality add up (place, turn) or multiply (all others), so that
/// an entrance, an effect and keyframes of a client need not know of each other. Frames are the element's: 0 is its first one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Motion {
    /// To the right, in units.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub x_u: Vec<Curve>,
    /// Downwards, in units.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub y_u: Vec<Curve>,
    /// Around its middle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<Curve>,
    /// Clockwise, around its middle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turn_deg: Vec<Curve>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opacity: Vec<Curve>,
    /// How much of it is uncovered, 0 to 1, from an edge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reveal: Vec<Reveal>,
    /// Of a picture within its frame; 1 fits as its fit says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zoom: Vec<Curve>,
    /// Of a picture within its frame: which part of what does not fit is seen, from -1 (its left) to 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pan_x: Vec<Curve>,
    /// As `pan_x`, from its top to its bottom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pan_y: Vec<Curve>,
}

impl Motion {
    /// Whether nothing ever changes.
    #[must_use]
    pub fn is_still(&self) -> bool {
        *self == Self::default()
    }

    /// How the element is on its frame `at`.
    #[must_use]
    pub fn pose(&self, at: f32) -> Pose {
        let sum = |curves: &[Curve]| curves.iter().map(|curve| curve.at(at)).sum();
        let product = |curves: &[Curve]| curves.iter().map(|curve| curve.at(at)).product();
        Pose {
            x_u: sum(&self.x_u),
            y_u: sum(&self.y_u),
            scale: product(&self.scale),
            turn_deg: sum(&self.turn_deg),
            opacity: product(&self.opacity),
            reveal: self.reveal.iter().map(|reveal| (reveal.from, reveal.share.at(at))).find(|(_, share)| *share < 1.0),
            zoom: product(&self.zoom),
            pan_x: sum(&self.pan_x).clamp(-1.0, 1.0),
            pan_y: sum(&self.pan_y).clamp(-1.0, 1.0),
        }
    }

    /// The largest that it ever gets, and the closest that a picture is ever zoomed to: as much detail is worth keeping.
    #[must_use]
    pub fn largest(&self) -> f32 {
        let most = |curves: &[Curve]| curves.iter().map(Curve::most).product::<f32>();
        most(&self.scale) * most(&self.zoom)
    }
}

/// How an element is at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// To the right, in units.
    pub x_u: f32,
    /// Downwards, in units.
    pub y_u: f32,
    /// Around its middle.
    pub scale: f32,
    /// Clockwise, around its middle.
    pub turn_deg: f32,
    /// 0 to 1.
    pub opacity: f32,
    /// The edge it is uncovered from and how much of it is, if not all.
    pub reveal: Option<(Edge, f32)>,
    /// Of a picture within its frame.
    pub zoom: f32,
    /// Of a picture within its frame, -1 to 1.
    pub pan_x: f32,
    /// Of a picture within its frame, -1 to 1.
    pub pan_y: f32,
}

/// An edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Top.
    Top,
    /// Bottom.
    Bottom,
}

/// An element that is uncovered from an edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    /// Where it starts.
    pub from: Edge,
    /// How much is uncovered, 0 to 1.
    pub share: Curve,
}

/// A value over time. Before its first key it has that one's value, after its last key that one's; it has at least one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Curve(Vec<Key>);

/// A value at a frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Of the element.
    pub frame: u32,
    /// On this frame.
    pub value: f32,
    /// How it gets here from the key before.
    #[serde(default)]
    pub ease: Ease,
}

impl Curve {
    /// A value that never changes.
    #[must_use]
    pub fn constant(value: f32) -> Self {
        Self(vec![Key { frame: 0, value, ease: Ease::Linear }])
    }

    /// From one value to another.
    #[must_use]
    pub fn between(from: (u32, f32), to: (u32, f32), ease: Ease) -> Self {
        let start = Key { frame: from.0, value: from.1, ease: Ease::Linear };
        Self(vec![start, Key { frame: to.0, value: to.1, ease }])
    }

    /// Through keys in the order of their frames; none when there is no key.
    #[must_use]
    pub fn through(keys: Vec<Key>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The value on a frame.
    #[must_use]
    pub fn at(&self, frame: f32) -> f32 {
        let next = self.0.iter().position(|key| key.frame as f32 > frame);
        let (before, after) = match next {
            Some(0) => return self.0[0].value,
            Some(next) => (self.0[next - 1], self.0[next]),
            None => return self.0.last().map_or(1.0, |key| key.value),
        };
        let way = (after.frame - before.frame) as f32;
        let p = if way > 0.0 { (frame - before.frame as f32) / way } else { 1.0 };
        before.value + (after.value - before.value) * after.ease.at(p)
    }

    fn most(&self) -> f32 {
        self.0.iter().map(|key| key.value).fold(0.0, f32::max)
    }
}

/// How a value gets from one key to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ease {
    /// Evenly.
    #[default]
    Linear,
    /// Slow at first (cubic).
    In,
    /// Slow at the end (cubic).
    Out,
    /// Slow at both ends (cubic).
    InOut,
    /// Past the end and back (Penner's easeOutBack).
    OutBack,
    /// Not at all, until it jumps.
    Hold,
}

impl Ease {
    /// How much of the way is done after `p` of the time; both from 0 to 1.
    #[must_use]
    pub fn at(self, p: f32) -> f32 {
        const PAST: f32 = 1.4;
        let p = p.clamp(0.0, 1.0);
        match self {
            Self::Linear => p,
            Self::In => p.powi(3),
            Self::Out => 1.0 - (1.0 - p).powi(3),
            Self::InOut if p < 0.5 => 4.0 * p.powi(3),
            Self::InOut => 1.0 - (2.0 - 2.0 * p).powi(3) / 2.0,
            Self::OutBack => 1.0 + (PAST + 1.0) * (p - 1.0).powi(3) + PAST * (p - 1.0).powi(2),
            Self::Hold => p.floor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ease_starts_at_nothing_and_ends_at_all() {
        for ease in [Ease::Linear, Ease::In, Ease::Out, Ease::InOut, Ease::OutBack, Ease::Hold] {
            assert!(ease.at(0.0).abs() < 1e-6 && (ease.at(1.0) - 1.0).abs() < 1e-6, "{ease:?}");
        }
    }

    #[test]
    fn a_curve_holds_its_ends_and_passes_through_its_keys() {
        let curve = Curve::between((10, 2.0), (20, 4.0), Ease::Linear);
        let values = [0.0, 10.0, 15.0, 20.0, 99.0].map(|frame| curve.at(frame));
        assert_eq!(values, [2.0, 2.0, 3.0, 4.0, 4.0]);
    }

    #[test]
    fn curves_of_one_quality_are_joined() {
        let fade = Curve::between((0, 0.0), (10, 1.0), Ease::Linear);
        let motion = Motion {
            opacity: vec![fade, Curve::constant(0.5)],
            x_u: vec![Curve::constant(3.0), Curve::constant(4.0)],
            ..Motion::default()
        };
        let pose = motion.pose(5.0);
        assert_eq!((pose.opacity, pose.x_u, pose.scale), (0.25, 7.0, 1.0));
        assert!(Motion::default().is_still() && !motion.is_still());
    }
}
