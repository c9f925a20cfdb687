//! What holds over all workers, whichever of them a client comes to and over whatever.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;
use crate::bridge::{Inlet, RelayLanes};
use crate::turn::probe::PAYLOAD;

const WORKERS: usize = 3;

/// So many clients of one user, over every transport in turns; those that get no allocation are in the second list.
fn crowd<'a>(running: &Running, credentials: &'a Credentials, count: usize) -> (Vec<Client<'a>>, Vec<ProbeError>) {
    let (mut seated, mut refused) = (Vec::new(), Vec::new());
    for transport in ALL.into_iter().cycle().take(count) {
        let mut client = Client::open(running.server(transport), transport, credentials).expect("reachable");
        match client.allocate() {
            Ok(_) => seated.push(client),
            Err(error) => refused.push(error),
        }
    }
    (seated, refused)
}

fn allocations(running: &Running) -> Vec<u64> {
    running.plane.published().iter().map(|published| published.core.allocations).collect()
}

fn until_there_are(running: &Running, wanted: u64) {
    let late = Instant::now() + Duration::from_secs(10);
    while allocations(running).iter().sum::<u64>() != wanted {
        assert!(Instant::now() < late, "{:?}", allocations(running));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_user_has_twelve_allocations_over_all_of_them() {
    let mut settings = settings(WORKERS);
    settings.limits.allocations_per_user = 12;
    let running = Running::start(settings);
    let (alice, bob) = (running.credentials("alice"), running.credentials("bob"));
    let (mut seated, refused) = crowd(&running, &alice, 30);
    assert_eq!((seated.len(), refused), (12, vec![ProbeError::Refused(486); 18]));
    until_there_are(&running, 12);
    let at = allocations(&running);
    assert!(at.iter().filter(|count| **count > 0).count() >= 2, "clients are dealt among the workers: {at:?}");
    assert!(
        running.plane.published().iter().all(|published| published.core.users == 1),
        "one user, however many know it"
    );
    probe(running.address, Transport::Udp, &bob).expect("another user has his own");
    for client in &mut seated[..5] {
        client.release();
    }
    until_there_are(&running, 7);
    let (again, refused) = crowd(&running, &alice, 10);
    assert_eq!((again.len(), refused.len()), (5, 5), "what was released may be had again, wherever");
}

#[test]
fn all_allocations_together_have_one_limit() {
    let mut settings = settings(WORKERS);
    settings.limits.allocations = 10;
    let running = Running::start(settings);
    let credentials: Vec<Credentials> = (0..15).map(|number| running.credentials(&format!("user-{number}"))).collect();
    let (mut kept, mut refused) = (Vec::new(), 0);
    for credentials in &credentials {
        let (seated, full) = crowd(&running, credentials, 1);
        refused += full.iter().filter(|error| **error == ProbeError::Refused(508)).count();
        kept.extend(seated);
    }
    assert_eq!((kept.len(), refused), (10, 5));
}

#[test]
fn a_revoked_user_is_cut_off_from_every_one() {
    let running = Running::start(settings(WORKERS));
    let (eve, bob) = (running.credentials("eve"), running.credentials("bob"));
    let (mut cut, _) = crowd(&running, &eve, 12);
    let (mut kept, _) = crowd(&running, &bob, 6);
    until_there_are(&running, 18);
    let _inside = running.runtime.enter();
    running.plane.revoke(&UserId::new("eve").expect("a user")).expect("it can be written down");
    until_there_are(&running, 6);
    assert!(cut.iter_mut().all(|client| client.refresh().is_err()));
    assert!(kept.iter_mut().all(|client| client.refresh().is_ok()));
    let (seated, refused) = crowd(&running, &eve, 6);
    assert_eq!((seated.len(), refused), (0, vec![ProbeError::Refused(401); 6]));
}

#[test]
fn a_source_gets_its_ten_challenges_a_second_from_all_together() {
    let mut settings = settings(WORKERS);
    settings.limits.challenges_per_second = 10;
    let running = Running::start(settings);
    let request = Builder::new(Class::Request, Method::Allocate, TransactionId([7; 12])).finish();
    let sockets: Vec<UdpSocket> = (0..200).map(|_| UdpSocket::bind((LOOPBACK, 0)).expect("a port")).collect();
    let began = Instant::now();
    for socket in &sockets {
        socket.send_to(&request, running.address).expect("loopback");
    }
    let seconds = began.elapsed().as_secs() as usize + 2;
    std::thread::sleep(Duration::from_millis(300));
    let answered = |socket: &&UdpSocket| {
        socket.set_nonblocking(true).expect("a socket");
        socket.recv(&mut [0; 512]).is_ok()
    };
    let answers = sockets.iter().filter(answered).count();
    // The server may have come to its next second meanwhile. By itself each worker would have answered ten.
    assert!((10..=10 * seconds).contains(&answers) && seconds == 2, "{answers} answers in {seconds} s");
}

/// A media worker that sends back what relays bring, as a peer would.
fn echoing(relays: Relays) -> WorkerHandle {
    let mut poll = mio::Poll::new().expect("a poll");
    let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker"));
    let (inlet, outlet) = Inlet::new(Arc::clone(&waker));
    let mut lanes = RelayLanes::new(&relays);
    std::thread::spawn(move || {
        let mut events = mio::Events::with_capacity(4);
        loop {
            poll.poll(&mut events, Some(Duration::from_millis(100))).expect("a poll");
            while let Some(parcel) = inlet.take() {
                for (source, destination, datagram) in parcel.datagrams() {
                    lanes.lane(source).expect("a relayed address").push(destination, source, datagram);
                }
            }
            lanes.flush();
        }
    });
    let (commands, _) = tokio::sync::mpsc::channel(1);
    WorkerHandle::new(commands, waker, Arc::default(), outlet)
}

#[test]
fn each_of_them_reaches_the_media_workers_and_is_reached() {
    let running = Running::start_with(settings(WORKERS), &|relays| vec![echoing(relays)]);
    let credentials = running.credentials("alice");
    let (clients, _) = crowd(&running, &credentials, 24);
    for mut client in clients {
        client.permit(MEDIA).expect("our own media port");
        client.send_payload(MEDIA, PAYLOAD).expect("open");
        client.receive().expect("echoed");
    }
    let late = Instant::now() + Duration::from_secs(10);
    let busy = || running.plane.published().iter().filter(|published| published.core.packets_to_clients > 0).count();
    while busy() < 2 {
        assert!(Instant::now() < late, "{:?}", running.plane.published());
        std::thread::sleep(Duration::from_millis(20));
    }
}
