//! Which layer each subscription of one subscriber gets: a function over plain data.

use model::Bitrate;

use crate::codec::descriptor::MOST_TEMPORAL;
use crate::types::Layer;

/// A step up must fit with this much to spare (percent), so that a wavering estimate does not switch to and fro.
const UPGRADE_HEADROOM: u64 = 115;

/// One video subscription, as far as its layer is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// A screen is served before cameras.
    pub screen: bool,
    /// Higher is served first.
    pub priority: u32,
    /// The most the subscriber can use. `None`: it wants nothing.
    pub max: Option<Layer>,
    /// What each layer costs, low to high; `None` where there is no such layer now.
    pub costs: [Option<Bitrate>; 3],
    /// What the lowest of them costs up to each temporal layer; `None` where there is none such.
    pub thinned: [Option<Bitrate>; MOST_TEMPORAL],
    /// What it has.
    pub current: Option<Layer>,
}

/// What a subscriber is to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The layer of each subscription, in the order of the wants.
    pub layers: Vec<Option<Layer>>,
    /// The subscription that is to get no more than this temporal layer of the lowest layer there is.
    pub thinned: Option<(usize, u8)>,
    /// What the allocation costs.
    pub used: Bitrate,
    /// The budget at which the cheapest step up that is still wanted fits. `None`: everyone has what it wants.
    pub next: Option<Bitrate>,
    /// The budget at which everything wanted fits: what to probe for.
    pub desired: Bitrate,
}

/// Divides `budget` (`None`: no limit is known) among `wants`.
///
/// Everyone gets the lowest layer first, in order of need; then screens are raised, then the rest, step by step.
/// The first in order always keeps its lowest layer: some picture is better than none. It gets fewer frames of it where that
/// can be had and all would not fit.
pub fn allocate(budget: Option<Bitrate>, wants: &[Want]) -> Allocation {
    let mut order: Vec<usize> = (0..wants.len()).collect();
    order.sort_by_key(|&at| (!wants[at].screen, std::cmp::Reverse(wants[at].priority), at));
    let budget = budget.map_or(u64::MAX, Bitrate::as_bps);
    let mut used = 0_u64;
    let mut layers = vec![None; wants.len()];
    for (rank, &at) in order.iter().enumerate() {
        let Some((lowest, cost)) = usable(&wants[at]).next() else { continue };
        if rank == 0 || fits(budget, used, cost, wants[at].current.is_none()) {
            layers[at] = Some(lowest);
            used += cost;
        }
    }
    for screens in [true, false] {
        raise(budget, &mut used, wants, &order, &mut layers, screens);
    }
    let thinned = order.first().filter(|_| used > budget).and_then(|&at| Some((at, thin(&wants[at], budget)?)));
    let whole = used;
    if let Some((_, (_, cost))) = thinned {
        used = cost;
    }
    let next = wants
        .iter()
        .zip(&layers)
        .filter_map(|(want, layer)| step_up(want, *layer))
        .map(|(here, _, there)| Bitrate(whole - here + with_headroom(there)));
    let next = next.chain(thinned.map(|_| Bitrate(whole)));
    let desired = wants.iter().zip(&layers).filter_map(|(want, layer)| {
        let (highest, cost) = usable(want).last()?;
        Some(if layer.is_none_or(|layer| highest > layer) { with_headroom(cost) } else { cost })
    });
    let (next, desired) = (next.min(), Bitrate(desired.sum()));
    let thinned = thinned.map(|(at, (temporal, _))| (at, temporal));
    Allocation { next, desired, used: Bitrate(used), thinned, layers }
}

/// The temporal layer up to which the lowest layer fits, and what that costs; the lowest where none does.
fn thin(want: &Want, budget: u64) -> Option<(u8, u64)> {
    let rates = || (0..).zip(want.thinned).filter_map(|(temporal, rate)| Some((temporal, rate?.as_bps())));
    let fitting = rates().filter(|(_, rate)| *rate > 0 && *rate <= budget).last();
    // One alone is all that there is.
    fitting.or(rates().next()).filter(|_| rates().count() > 1)
}

fn raise(budget: u64, used: &mut u64, wants: &[Want], order: &[usize], layers: &mut [Option<Layer>], screens: bool) {
    loop {
        let mut raised = false;
        for &at in order.iter().filter(|&&at| wants[at].screen == screens) {
            if layers[at].is_none() {
                continue;
            }
            let Some((here, next, there)) = step_up(&wants[at], layers[at]) else { continue };
            let upgrade = wants[at].current.is_none_or(|current| next > current);
            if fits(budget, *used - here, there, upgrade) {
                *used = *used - here + there;
                layers[at] = Some(next);
                raised = true;
            }
        }
        if !raised {
            return;
        }
    }
}

fn fits(budget: u64, used: u64, cost: u64, upgrade: bool) -> bool {
    let asked = if upgrade { with_headroom(cost) } else { cost };
    used.saturating_add(asked) <= budget
}

fn with_headroom(cost: u64) -> u64 {
    cost.saturating_mul(UPGRADE_HEADROOM) / 100
}

/// What `layer` costs, which one is next, and what that costs.
fn step_up(want: &Want, layer: Option<Layer>) -> Option<(u64, Layer, u64)> {
    let here = layer.map_or(0, |layer| cost(want, layer));
    let (next, there) = usable(want).find(|(next, _)| layer.is_none_or(|layer| *next > layer))?;
    Some((here, next, there))
}

/// The layers a subscription could get, low to high. Where none is small enough, the smallest there is.
fn usable(want: &Want) -> impl Iterator<Item = (Layer, u64)> + '_ {
    let present = || {
        let layers = [Layer::Low, Layer::Medium, Layer::High];
        layers.into_iter().zip(want.costs).filter_map(|(layer, cost)| Some((layer, cost?.as_bps())))
    };
    let smallest = present().next().map(|(layer, _)| layer);
    let max = want.max;
    present().filter(move |(layer, _)| max.is_some_and(|max| *layer <= max || Some(*layer) == smallest))
}

fn cost(want: &Want, layer: Layer) -> u64 {
    want.costs[layer as usize].map_or(0, Bitrate::as_bps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: [Option<u64>; 3] = [Some(150), Some(500), Some(1700)];

    fn want(costs: [Option<u64>; 3], max: Option<Layer>, current: Option<Layer>) -> Want {
        let costs = costs.map(|cost| cost.map(Bitrate::kbps));
        Want { screen: false, priority: 0, max, costs, thinned: [None; MOST_TEMPORAL], current }
    }

    fn layers(budget: u64, wants: &[Want]) -> Vec<Option<Layer>> {
        allocate(Some(Bitrate::kbps(budget)), wants).layers
    }

    const LOW: Option<Layer> = Some(Layer::Low);
    const MEDIUM: Option<Layer> = Some(Layer::Medium);
    const HIGH: Option<Layer> = Some(Layer::High);

    #[test]
    fn one_camera_by_budget() {
        for (budget, current, expected) in [
            (10, None, LOW),
            (10, HIGH, LOW),
            (500, None, LOW),
            (500, MEDIUM, MEDIUM),
            (580, None, MEDIUM),
            (1700, MEDIUM, MEDIUM),
            (1700, HIGH, HIGH),
            (1960, MEDIUM, HIGH),
            (9000, None, HIGH),
        ] {
            assert_eq!(layers(budget, &[want(CAMERA, HIGH, current)]), [expected], "{budget} from {current:?}");
        }
    }

    #[test]
    fn the_maximum_and_the_layers_there_are() {
        for (costs, max, expected) in [
            (CAMERA, LOW, LOW),
            (CAMERA, MEDIUM, MEDIUM),
            (CAMERA, None, None),
            ([None, None, Some(1700)], LOW, HIGH),
            ([Some(150), None, Some(1700)], MEDIUM, LOW),
            ([None, None, None], HIGH, None),
        ] {
            assert_eq!(layers(9000, &[want(costs, max, None)]), [expected], "{costs:?} up to {max:?}");
        }
    }

    #[test]
    fn screens_first_then_priority_then_order() {
        let camera = want(CAMERA, HIGH, None);
        let screen = Want { screen: true, ..want([None, None, Some(2500)], HIGH, None) };
        let liked = Want { priority: 5, ..camera.clone() };
        assert_eq!(layers(2600, &[camera.clone(), screen.clone()]), [None, HIGH]);
        assert_eq!(layers(2900, &[camera.clone(), screen.clone()]), [LOW, HIGH]);
        assert_eq!(layers(800, &[camera.clone(), liked.clone()]), [LOW, MEDIUM]);
        assert_eq!(layers(350, &[camera.clone(), camera.clone(), liked]), [LOW, None, LOW]);
        assert_eq!(layers(10, &[camera.clone(), screen]), [None, HIGH], "the first keeps its picture");
        assert_eq!(layers(1300, &[camera.clone(), camera]), [MEDIUM, MEDIUM]);
    }

    #[test]
    fn without_an_estimate_everyone_gets_the_most() {
        let all = allocate(None, &[want(CAMERA, HIGH, None), want(CAMERA, MEDIUM, None)]);
        assert_eq!(all.layers, [HIGH, MEDIUM]);
        assert_eq!((all.used, all.desired), (Bitrate::kbps(2200), Bitrate::kbps(2200)));
        let tight = allocate(Some(Bitrate::kbps(400)), &[want(CAMERA, HIGH, None)]);
        assert_eq!((tight.used, tight.desired), (Bitrate::kbps(150), Bitrate::kbps(1955)));
    }

    #[test]
    fn what_must_be_kept_and_does_not_fit_gets_fewer_frames() {
        let mut thinned = [None; MOST_TEMPORAL];
        for (temporal, kbps) in [(0, 900), (1, 1_400), (2, 2_000)] {
            thinned[temporal] = Some(Bitrate::kbps(kbps));
        }
        let screen = Want { screen: true, thinned, ..want([None, None, Some(2_000)], HIGH, HIGH) };
        for (budget, expected, used) in
            [(2_000, None, 2_000), (1_999, Some((1, 1)), 1_400), (1_399, Some((1, 0)), 900), (100, Some((1, 0)), 900)]
        {
            let allocation = allocate(Some(Bitrate::kbps(budget)), &[want(CAMERA, HIGH, None), screen.clone()]);
            assert_eq!(allocation.layers, [None, HIGH], "{budget}");
            assert_eq!((allocation.thinned, allocation.used), (expected, Bitrate::kbps(used)), "{budget}");
            assert!(
                allocation.next.is_some_and(|next| next > Bitrate::kbps(budget)),
                "{budget}: there is more to be had"
            );
        }
        let alone = allocate(Some(Bitrate::kbps(1_000)), &[screen]);
        assert_eq!((alone.thinned, alone.next), (Some((0, 0)), Some(Bitrate::kbps(2_000))));
    }

    #[test]
    fn the_budgets_that_would_do() {
        let next = |budget, wants: &[Want]| allocate(Some(Bitrate::kbps(budget)), wants).next;
        assert_eq!(next(9000, &[want(CAMERA, HIGH, None)]), None);
        assert_eq!(next(9000, &[want(CAMERA, None, None)]), None);
        for budget in [10, 574, 575, 1954] {
            let camera = want(CAMERA, HIGH, None);
            let needed =
                next(budget, std::slice::from_ref(&camera)).expect("it has less than it wants").as_bps() / 1000;
            assert!(needed > budget, "{needed} is more than {budget}");
            let before = allocate(Some(Bitrate::kbps(budget)), std::slice::from_ref(&camera)).layers[0];
            assert!(
                allocate(Some(Bitrate::kbps(needed)), &[camera]).layers[0] > before,
                "{needed} lifts it from {before:?}"
            );
        }
        let held_back = [want(CAMERA, LOW, LOW), want(CAMERA, LOW, None)];
        assert_eq!(next(200, &held_back), Some(Bitrate(150_000 + 172_500)), "a second picture beside the first");
    }
}
