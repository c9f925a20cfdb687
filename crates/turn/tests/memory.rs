//! Memory, counted by the allocator: of an allocation, and of a million strangers.
#![allow(unsafe_code, reason = "an allocator that counts")]

mod desk;

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use desk::{Client, Desk, SECRET, SFU, UNIX, channel_data, config, tuple, udp};
use turn::message::{Builder, Class, Method, TransactionId};
use turn::{FiveTuple, Output, Transport};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is done by the system's allocator; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// One test, since both count the same allocator.
#[test]
fn an_allocation_takes_ten_kilobytes_at_most_and_a_million_strangers_nothing() {
    let mut desk = Desk::new(config());
    let mut callers = Vec::with_capacity(10);
    for at in 0..10 {
        let mut client = Client::new(&format!("198.51.100.{at}:5000"), "alice");
        client.allocate(&mut desk);
        assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
        callers.push(client);
    }
    let before = live();
    for number in 0..1_000_000_u32 {
        let client = SocketAddr::new(IpAddr::from((0x5000_0000 + number * 7).to_be_bytes()), 5_000);
        let place = FiveTuple { client, ..callers[0].tuple };
        let request = udp(Builder::new(Class::Request, Method::Allocate, TransactionId([1; 12]))).finish();
        assert_eq!(desk.server.handle_client(desk.now, place, &request), None);
        while let Output::ToClient { .. } = desk.server.poll_output() {}
        if number % 1_000 == 0 {
            let caller = &callers[number as usize / 1_000 % 10];
            assert!(desk.send(caller, &channel_data(0x4000, &[0; 1_000])).is_some(), "a call suffers");
        }
    }
    assert!(live() <= before + 1_000, "grew by {} bytes", live() - before);

    let mut limits = config();
    limits.limits.allocations_per_user = 20_000;
    limits.relay.ports = Some(20_000..=39_999);
    let mut desk = Desk::new(limits);
    let before = live();
    for at in 0..10_000_u32 {
        let place = tuple(&format!("10.{}.{}.1:5000", at / 256, at % 256), Transport::Udp);
        let mut client = Client::with(place, SECRET, &format!("user {at}"), UNIX + 3_600);
        client.allocate(&mut desk);
        assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
        assert_eq!(client.permit(&mut desk, desk::PEER), 0);
        desk.events.clear();
    }
    let each = (live() - before) / 10_000;
    println!("{each} bytes an allocation, one channel, two permissions");
    assert!(each <= 10_000, "{each} bytes an allocation");
    desk.pass(700);
    desk.events.clear();
    assert_eq!(desk.server.metrics().allocations, 0);
}
