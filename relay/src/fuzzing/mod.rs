//! What a fuzzer drives (`tests/fuzz`): whatever comes in from a socket, without the socket. No part of the API.
//!
//! Each function takes any bytes and panics if something is not as it must be. The ordinary tests replay `tests/fuzz/corpus`.
#![allow(missing_docs, clippy::expect_used, clippy::panic, reason = "a test in all but name: what is wrong must be found")]

mod commands;
mod http;
mod peers;
mod proxy;
mod stream;
mod tls;
mod wire;

pub use commands::switch;
pub use http::http_head;
pub use peers::peers;
pub use proxy::proxy;
pub use stream::websocket;
#[cfg(test)]
pub(crate) use stream::{ours, theirs};
pub use tls::{TlsServer, tls};
pub use wire::frames;

/// The rest of some input, cut into pieces whose lengths come from its first byte.
pub(crate) fn pieces(data: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let (&seed, mut rest) = data.split_first().unwrap_or((&0, &[]));
    let mut state = u32::from(seed);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // 0: all at once. Else a generator as in C's rand.
        let length = if seed == 0 {
            rest.len()
        } else {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (state >> 16) as usize % (usize::from(seed) * 4) + 1
        };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        Some(piece.to_vec())
    })
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        panic::catch_unwind,
        path::{Path, PathBuf},
    };

    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{RngCore as _, SeedableRng as _},
    };

    use super::*;

    /// The files of a corpus, by name.
    fn corpus(target: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 2, "{target} has no corpus");
        files
    }

    fn replay(target: &str, run: impl Fn(&[u8])) {
        for path in corpus(target) {
            // The name of the last file before a panic is the one to look at.
            eprintln!("{}", path.display());
            run(&fs::read(path).unwrap());
        }
    }

    /// Changes some of the bytes, cuts some out, or puts some of another file between them.
    fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
        let mut below = |bound: usize| rng.next_u32() as usize % bound.max(1);
        for _ in 0..1 + below(4) {
            let (at, length) = (below(bytes.len()), 1 + below(8));
            match below(4) {
                0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << below(8)),
                1 => bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = if at % 2 == 0 { 0 } else { 0xff }),
                2 => drop(bytes.drain(at..bytes.len().min(at + length))),
                _ => drop(bytes.splice(at..at, other.iter().copied().skip(below(other.len())).take(length * 8))),
            }
        }
    }

    /// A fuzzer of a few seconds, the same each time: what is near the corpus, without a compiler's help.
    #[test]
    fn what_is_like_the_corpus() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (target, run) in [("peers", peers as fn(&[u8])), ("proxy", proxy)] {
            let files: Vec<_> = corpus(target).into_iter().map(|path| fs::read(path).unwrap()).collect();
            for n in 0..4_000 {
                let mut bytes = files[n % files.len()].clone();
                let other = &files[rng.next_u32() as usize % files.len()];
                mutate(&mut bytes, other, &mut rng);
                if catch_unwind(|| run(&bytes)).is_err() {
                    panic!("{target}, {n}: {bytes:?}");
                }
            }
        }
    }

    #[test]
    fn the_corpus() {
        replay("websocket", websocket);
        replay("http_head", http_head);
        replay("switch", switch);
        replay("frames", frames);
        replay("peers", peers);
        replay("proxy", proxy);
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let server = TlsServer::new(&cert, &key);
        replay("tls", |data| tls(&server, data));
    }

    #[test]
    fn pieces_are_everything() {
        for seed in [0, 1, 7, 255] {
            let data: Vec<u8> = std::iter::once(seed).chain((0..2_000).map(|n| n as u8)).collect();
            assert_eq!(pieces(&data).flatten().collect::<Vec<_>>(), data[1..]);
        }
        assert_eq!(pieces(&[]).count(), 0);
    }
}
