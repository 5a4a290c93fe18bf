//! Who waits for a model, and who is next.
//!
//! Each group that waits has a virtual time: the tokens that its requests were given. The group with the least is next, so
//! a group of thousands of requests does not hold up one of a few. Within a group it is first come, first served.

use std::collections::VecDeque;

/// Requests of one model that wait.
pub(crate) struct Queue<T> {
    groups: Vec<Group<T>>,
    /// The virtual time of the group that was served last: who comes anew begins here.
    now: u64,
}

struct Group<T> {
    name: String,
    time: u64,
    waiting: VecDeque<T>,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { groups: Vec::new(), now: 0 }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.waiting.len()).sum()
    }

    /// Adds a request at the end of its group.
    pub(crate) fn push(&mut self, group: &str, request: T) {
        let now = self.now;
        match self.groups.iter_mut().find(|other| other.name == group) {
            Some(group) => {
                // Who had nothing to do has no claim to what others were given meanwhile.
                if group.waiting.is_empty() {
                    group.time = group.time.max(now);
                }
                group.waiting.push_back(request);
            }
            None => {
                self.groups.push(Group { name: group.to_owned(), time: now, waiting: VecDeque::from([request]) });
            }
        }
    }

    /// Takes the next request; `cost` says how many tokens it may need.
    pub(crate) fn pop(&mut self, cost: impl Fn(&T) -> u64) -> Option<T> {
        let waiting = self.groups.iter_mut().filter(|group| !group.waiting.is_empty());
        let group = waiting.min_by_key(|group| group.time)?;
        let request = group.waiting.pop_front()?;
        self.now = group.time;
        group.time = group.time.saturating_add(cost(&request));
        let now = self.now;
        // A group that owes nothing is forgotten.
        self.groups.retain(|group| !group.waiting.is_empty() || group.time > now);
        Some(request)
    }

    /// Takes those out that need not wait any longer.
    pub(crate) fn remove(&mut self, is_gone: impl Fn(&T) -> bool) -> Vec<T> {
        let mut gone = Vec::new();
        for group in &mut self.groups {
            let (leave, stay): (VecDeque<T>, VecDeque<T>) =
                group.waiting.drain(..).partition(|request| is_gone(request));
            group.waiting = stay;
            gone.extend(leave);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_many_does_not_hold_up_a_group_of_few() {
        let mut queue = Queue::new();
        for at in 0..100 {
            queue.push("many", ("many", at));
        }
        queue.push("few", ("few", 0));
        queue.push("few", ("few", 1));
        let order: Vec<_> = (0..5).filter_map(|_| queue.pop(|_| 10)).collect();
        assert_eq!(order, [("many", 0), ("few", 0), ("many", 1), ("few", 1), ("many", 2)]);
        assert_eq!(queue.len(), 97);
    }

    #[test]
    fn who_comes_late_has_no_claim_to_the_past() {
        let mut queue = Queue::new();
        for at in 0..10 {
            queue.push("early", ("early", at));
        }
        for _ in 0..5 {
            queue.pop(|_| 10);
        }
        for at in 0..10 {
            queue.push("late", ("late", at));
        }
        let late = (0..6).filter_map(|_| queue.pop(|_| 10)).filter(|(group, _)| *group == "late").count();
        assert!((2..=4).contains(&late), "{late}");
    }

    #[test]
    fn those_who_leave_are_given_back() {
        let mut queue = Queue::new();
        (0..4).for_each(|at| queue.push("g", at));
        assert_eq!(queue.remove(|at| at % 2 == 1), [1, 3]);
        assert_eq!((queue.pop(|_| 1), queue.pop(|_| 1), queue.pop(|_| 1)), (Some(0), Some(2), None));
    }
}
