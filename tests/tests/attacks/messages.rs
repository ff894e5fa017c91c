//! Messages that are too large, never over, of the wrong kind, or for nobody.

use countersign_core::relay::{ErrorCode, Frame};

use crate::{
    honest::{Honest, Keys},
    raw::{HEAD, Raw, attacker, dial, frame},
    target::Target,
};

#[tokio::test]
async fn giant_and_endless_ones() {
    let target = Target::tight(&[], 200);
    let mut honest = Honest::start(&target.url).await;
    let huge_length = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let fragments = || std::iter::once(frame(0x02, &[0; 1000])).chain(std::iter::repeat_with(|| frame(0x00, &[0; 1000])));
    let cases: [(&str, Vec<u8>, u16); 6] = [
        ("too large", frame(0x82, &[0; 16_385]), 1009),
        ("says it is huge", huge_length.to_vec(), 1009),
        ("endless fragments", fragments().take(40).flatten().collect(), 1009),
        ("text", frame(0x81, b"text"), 1003),
        ("not masked", vec![0x82, 1, 0], 1002),
        ("a reserved bit", frame(0xc2, b"x"), 1002),
    ];
    for (n, (what, bytes, code)) in (1..).zip(cases) {
        let mut raws = Vec::new();
        for _ in 0..10 {
            let mut raw = Raw::open(attacker(n), target.address()).await;
            raw.write(&bytes).await;
            raws.push(raw);
        }
        honest.requests(1).await;
        for raw in raws {
            let told = raw.told().await;
            assert_eq!((told.error, told.close), (Some(ErrorCode::Malformed), Some(code)), "{what}: {told:?}");
        }
    }
    target.check_memory();
}

#[tokio::test]
async fn heads_that_are_no_request() {
    let target = Target::tight(&[], 200);
    let mut honest = Honest::start(&target.url).await;
    let endless = [&HEAD[..HEAD.len() - 2], b"X: ", &[b'x'; 9_000]].concat();
    for (n, (bytes, status)) in
        (1..).zip([(endless, 431), (b"\x16\x03\x01 no TLS here".to_vec(), 426), (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 404)])
    {
        for _ in 0..10 {
            let mut stream = dial(attacker(n), target.address()).await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await;
            let mut answer = vec![0; 12];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer).await.unwrap();
            assert_eq!(answer, format!("HTTP/1.1 {status}").as_bytes());
        }
        honest.requests(1).await;
    }
    target.check_memory();
}

#[tokio::test]
async fn endless_pings() {
    const PINGS: usize = 20_000;
    let target = Target::tight(&[], 200);
    let mut honest = Honest::start(&target.url).await;
    let pings = frame(0x89, b"").repeat(PINGS);
    let mut flooding = tokio::task::JoinSet::new();
    for n in 0..8 {
        let mut raw = Raw::open(attacker(n % 2), target.address()).await;
        let bytes = pings.clone();
        flooding.spawn(async move {
            // Then it says goodbye, which comes after all of them.
            assert!(raw.write(&bytes).await && raw.write(&frame(0x88, &[])).await);
            raw.told().await
        });
    }
    honest.requests(5).await;
    while let Some(told) = flooding.join_next().await {
        // Not every one is worth an answer.
        let told = told.unwrap();
        assert!(told.close.is_some() && (1..PINGS / 10).contains(&told.pongs), "{told:?}");
    }
    honest.requests(1).await;
    target.check_memory();
}

#[tokio::test]
async fn messages_for_nobody() {
    let target = Target::tight(&[], 200);
    let mut honest = Honest::start(&target.url).await;
    let data = frame(0x82, &Frame::Data { circuit: 5, tail: b"" }.encode()).repeat(10_000);
    let mut flooding = tokio::task::JoinSet::new();
    for n in 0..8 {
        let mut raw = Raw::open(attacker(n), target.address()).await;
        let prove = Keys::make().prove(target.url.origin(), &raw.nonce);
        let data = data.clone();
        flooding.spawn(async move {
            assert!(raw.send(&prove).await && raw.write(&data).await && raw.send(&[0x99]).await);
            raw.told().await
        });
    }
    honest.requests(5).await;
    while let Some(told) = flooding.join_next().await {
        // The circuit may just have been closed by the other end: no fault, no answer. What comes after them is one.
        let told = told.unwrap();
        assert_eq!((told.error, told.messages.len()), (Some(ErrorCode::Malformed), 1), "{told:?}");
    }
    honest.requests(1).await;
    target.check_memory();
}
