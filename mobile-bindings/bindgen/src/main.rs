//! Generates bindings from the built library (docs/MOBILE.md).

fn main() {
    uniffi::uniffi_bindgen_main();
}
