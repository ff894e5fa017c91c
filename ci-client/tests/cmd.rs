//! One case per behaviour that needs no network, and one per bad input: tests/cmd/*.toml.
//! `TRYCMD=overwrite cargo test -p countersign --test cmd` writes the outputs again.

#![cfg(unix)]

#[test]
fn cases() {
    trycmd::TestCases::new().case("tests/cmd/*.toml");
}
