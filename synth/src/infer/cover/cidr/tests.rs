//! The cover against every other cover, where the addresses are few enough to try all.

use super::*;
use proptest::collection::btree_set;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Sixteen addresses are told apart by so many bits.
const BITS: u32 = 4;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn within(addresses: &BTreeSet<IpAddr>, budget: usize, forbidden: &Forbidden) -> Cover {
    cover(addresses, NonZeroUsize::new(budget), forbidden)
}

fn texts(cover: &Cover) -> Vec<String> {
    cover.blocks.iter().map(IpNet::to_string).collect()
}

/// The addresses of a universe of sixteen, those whose bit is set.
fn of_mask(base: IpAddr, mask: u16) -> BTreeSet<IpAddr> {
    (0..16u8).filter(|bit| mask & (1 << bit) != 0).map(|bit| plus(base, bit)).collect()
}

fn plus(base: IpAddr, offset: u8) -> IpAddr {
    match base {
        IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() + u32::from(offset)).into(),
        IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits() + u128::from(offset)).into(),
    }
}

/// Every block of a universe of sixteen addresses, as the set of its addresses.
fn blocks_of_sixteen() -> Vec<u16> {
    (0..=BITS)
        .flat_map(|free| {
            let size = 1u32 << free;
            (0..16 / size).map(move |place| (((1u32 << size) - 1) << (place * size)) as u16)
        })
        .collect()
}

/// For each set of addresses the fewest blocks whose disjoint union it is; none where it is no such union. Found by
/// adding block after block to the empty set.
fn fewest_blocks(forbidden: u16) -> Vec<Option<usize>> {
    let permitted = |block: &u16| block.count_ones() == 1 || block & forbidden == 0;
    let blocks: Vec<u16> = blocks_of_sixteen().into_iter().filter(permitted).collect();
    let mut fewest = vec![None; 1 << 16];
    fewest[0] = Some(0);
    let mut frontier = vec![0u16];
    for count in 1..=16 {
        for union in std::mem::take(&mut frontier) {
            for block in blocks.iter().filter(|block| union & **block == 0) {
                let known = &mut fewest[usize::from(union | block)];
                if known.is_none() {
                    *known = Some(count);
                    frontier.push(union | block);
                }
            }
        }
    }
    fewest
}

/// For each set of addresses the least of `values` among its supersets.
fn least_of_supersets<T: Ord + Copy>(mut values: Vec<Option<T>>) -> Vec<Option<T>> {
    for bit in 0..16 {
        for set in 0..values.len() {
            if set & (1 << bit) == 0 {
                values[set] = [values[set], values[set | (1 << bit)]].into_iter().flatten().min();
            }
        }
    }
    values
}

/// For each set of addresses the fewest that a cover with at most `budget` blocks can allow; none where there is no
/// such cover.
fn fewest_allowed(fewest_blocks: &[Option<usize>], budget: usize) -> Vec<Option<u32>> {
    let within_budget = |blocks: &Option<usize>| blocks.is_some_and(|blocks| blocks <= budget);
    let allowed = (0..=u16::MAX).zip(fewest_blocks);
    least_of_supersets(allowed.map(|(union, blocks)| within_budget(blocks).then_some(union.count_ones())).collect())
}

/// Holds the cover of every `step`-th set of sixteen addresses against all others.
fn is_best(base: &str, forbidden: u16, budgets: &[usize], step: usize) {
    let base: IpAddr = base.parse().unwrap();
    let ranges = of_mask(base, forbidden).into_iter().map(IpNet::from);
    let forbidden_ranges = Forbidden::nothing().and(ranges);
    let fewest_blocks = fewest_blocks(forbidden);
    let least_blocks = least_of_supersets(fewest_blocks.clone());
    let mut by_budget: BTreeMap<usize, Vec<Option<u32>>> = BTreeMap::new();
    for mask in (1..=u16::MAX).step_by(step) {
        let seen = of_mask(base, mask);
        let least = least_blocks[usize::from(mask)].unwrap();
        for &budget in budgets {
            let found = within(&seen, budget, &forbidden_ranges);
            let most = budget.max(least);
            let allowed = by_budget.entry(most).or_insert_with(|| fewest_allowed(&fewest_blocks, most));
            let expected = allowed[usize::from(mask)].unwrap();
            assert_eq!(found.allowed, u128::from(expected), "{mask:016b} in {budget}: {found:?}");
            assert!(found.blocks.len() <= most, "{mask:016b} in {budget}: {found:?}");
            assert_eq!(found.over_budget, least > budget, "{mask:016b} in {budget}");
        }
        let exact = cover(&seen, None, &forbidden_ranges);
        assert_eq!(Some(exact.blocks.len()), fewest_blocks[usize::from(mask)], "{mask:016b}: {exact:?}");
        assert_eq!((exact.unseen(), exact.over_budget), (0, false));
    }
}

#[test]
fn no_cover_of_sixteen_addresses_is_better() {
    is_best("44.0.0.16", 0, &[1, 2, 3, 4], 7);
}

#[test]
fn no_cover_is_better_at_any_budget() {
    is_best("44.0.0.16", 0, &[1, 2, 3, 4, 5, 6, 7, 8, 16], 97);
    is_best("2600::10", 0, &[1, 2, 3, 4, 5, 6, 7, 8, 16], 101);
}

#[test]
fn no_cover_that_keeps_off_forbidden_ranges_is_better() {
    is_best("44.0.0.16", 0b0000_0000_0010_0000, &[1, 2, 3, 4, 6], 53);
    is_best("44.0.0.16", 0b1000_0000_1111_0001, &[1, 2, 3, 4, 6], 59);
    is_best("2600::10", 0b0000_1100_0000_0100, &[1, 2, 3, 4, 6], 61);
    is_best("44.0.0.16", u16::MAX, &[1, 3], 401);
}

#[test]
fn adjacent_full_blocks_become_one() {
    let all: BTreeSet<IpAddr> = (0..=255u8).map(|last| IpAddr::from([52, 1, 2, last])).collect();
    let found = cover(&all, None, &Forbidden::special_purpose());
    assert_eq!((texts(&found), found.seen, found.allowed), (vec!["52.1.2.0/24".to_owned()], 256, 256));
}

#[test]
fn what_is_forbidden_stays_single_whatever_the_budget() {
    let seen = addresses(&["9.255.255.255", "10.0.0.0", "10.0.0.1", "11.0.0.0", "169.254.169.254", "169.254.169.255"]);
    let found = within(&seen, 1, &Forbidden::special_purpose());
    let expected =
        ["9.255.255.255/32", "10.0.0.0/32", "10.0.0.1/32", "11.0.0.0/32", "169.254.169.254/32", "169.254.169.255/32"];
    assert_eq!((texts(&found), found.over_budget), (expected.map(str::to_owned).to_vec(), true));
    assert_eq!(texts(&cover(&seen, None, &Forbidden::special_purpose())), expected);
}

#[test]
fn ranges_of_the_cluster_are_kept_off() {
    let seen = addresses(&["44.0.0.1", "44.0.2.1"]);
    let forbidden = Forbidden::special_purpose().and([net("44.0.1.0/24")]);
    assert!(within(&seen, 1, &forbidden).over_budget);
    assert_eq!(texts(&within(&seen, 1, &Forbidden::special_purpose())), ["44.0.0.0/22"]);
}

#[test]
fn over_budget_the_fewest_blocks_are_taken_and_of_those_the_tightest() {
    let seen = addresses(&["9.0.0.1", "9.0.0.2", "11.0.0.1", "11.0.0.2"]);
    let found = within(&seen, 1, &Forbidden::special_purpose());
    assert_eq!((texts(&found), found.over_budget), (vec!["9.0.0.0/30".into(), "11.0.0.0/30".into()], true));
    assert_eq!(found.unseen(), 4);
}

#[test]
fn mapped_addresses_are_the_ones_they_stand_for() {
    let found = cover(&addresses(&["::ffff:52.1.2.3", "52.1.2.3", "::ffff:52.1.2.2"]), None, &Forbidden::nothing());
    assert_eq!((texts(&found), found.seen), (vec!["52.1.2.2/31".to_owned()], 2));
}

#[test]
fn ipv6_gets_what_ipv4_cannot_use() {
    let seen = addresses(&["52.0.0.1", "52.0.0.4", "52.9.0.1", "2600::1", "2600::8", "2600:0:0:1::1"]);
    let found = |budget| texts(&within(&seen, budget, &Forbidden::special_purpose()));
    assert_eq!(found(2), ["52.0.0.0/12", "2600::/63"]);
    assert_eq!(found(3), ["52.0.0.0/29", "52.9.0.1/32", "2600::/63"]);
    assert_eq!(found(5), ["52.0.0.1/32", "52.0.0.4/32", "52.9.0.1/32", "2600::/124", "2600:0:0:1::1/128"]);
    assert_eq!(found(6), texts(&cover(&seen, None, &Forbidden::special_purpose())));
}

#[test]
fn ipv6_is_never_wider_than_what_one_provider_has() {
    let found = within(&addresses(&["2600:1::1", "2600:1:8000::1", "2600:2::1"]), 1, &Forbidden::special_purpose());
    assert_eq!((texts(&found), found.over_budget), (vec!["2600:1::/32".into(), "2600:2::1/128".into()], true));
}

#[test]
fn the_whole_of_both_families_is_no_overflow() {
    let seen = addresses(&["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]);
    let found = within(&seen, 1, &Forbidden::nothing());
    assert_eq!(texts(&found), ["0.0.0.0/0", "::/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"]);
    assert_eq!((found.allowed, found.over_budget), ((1 << 32) + 2, true));
    assert_eq!(cover(&BTreeSet::new(), None, &Forbidden::nothing()), Cover::default());
}

/// Addresses near each other and far apart, of both families, some of them where no block may be.
fn scattered() -> impl Strategy<Value = BTreeSet<IpAddr>> {
    let near = any::<u8>().prop_map(|last| IpAddr::from([52, 1, 2, last]));
    let far = any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
    let private = any::<u8>().prop_map(|last| IpAddr::from([9 + last % 3, 255 * (last % 2), 0, last]));
    let ipv6 = any::<(u8, u16)>()
        .prop_map(|(net, host)| IpAddr::from([0x2600, u16::from(net % 3), 0, 0, 0, 0, u16::from(net), host]));
    btree_set(prop_oneof![near, far, private, ipv6], 0..60)
}

proptest! {
    #[test]
    fn every_address_is_in_exactly_one_block(seen in scattered(), budget in 1usize..40) {
        let found = within(&seen, budget, &Forbidden::special_purpose());
        for address in &seen {
            prop_assert_eq!(found.blocks.iter().filter(|block| block.contains(&address.to_canonical())).count(), 1);
        }
        prop_assert!(found.blocks.iter().all(|block| *block == block.trunc()));
        prop_assert_eq!(found.over_budget, found.blocks.len() > budget);
    }

    #[test]
    fn no_block_touches_what_is_forbidden(seen in scattered(), budget in 1usize..40) {
        let reserved: Vec<IpNet> = ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.168.0.0/16", "224.0.0.0/3", "0.0.0.0/8", "52.1.2.64/27", "2600:1::/33"].into_iter().map(net).collect();
        let forbidden = Forbidden::special_purpose().and([net("52.1.2.64/27"), net("2600:1::/33")]);
        for block in within(&seen, budget, &forbidden).blocks {
            let overlaps = |range: &IpNet| range.contains(&block) || block.contains(range);
            prop_assert!(block.prefix_len() == block.max_prefix_len() || !reserved.iter().any(overlaps), "{}", block);
        }
    }

    #[test]
    fn a_larger_budget_never_allows_more(seen in scattered()) {
        let forbidden = Forbidden::special_purpose();
        let mut before = u128::MAX;
        for budget in 1..seen.len().max(2) {
            let found = within(&seen, budget, &forbidden);
            prop_assert!(found.allowed <= before, "{} blocks", budget);
            before = found.allowed;
        }
        let enough = within(&seen, seen.len().max(1), &forbidden);
        prop_assert_eq!(enough, cover(&seen, None, &forbidden));
    }
}
