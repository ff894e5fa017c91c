//! What other apps show: exports of Google Authenticator, and pictures of QR codes.
#![allow(dead_code, reason = "not every test file needs everything")]

use data_encoding::BASE64;

/// An account of an export.
pub(crate) struct Account {
    pub(crate) secret: &'static [u8],
    pub(crate) name: &'static str,
    /// 1: counter-based, 2: time-based.
    pub(crate) kind: u8,
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// Part `part` of `of`, counted from 0, as Google Authenticator writes it.
pub(crate) fn export(accounts: &[Account], part: u8, of: u8) -> String {
    let mut bytes = Vec::new();
    for it in accounts {
        let account =
            [field(1, it.secret), field(2, it.name.as_bytes()), field(3, b"ACME"), vec![0x20, 1, 0x28, 1, 0x30, it.kind]].concat();
        bytes.extend(field(1, &account));
    }
    bytes.extend([0x10, 1, 0x18, of, 0x20, part, 0x28, 1]);
    let data = BASE64.encode(&bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("otpauth-migration://offline?data={data}")
}

/// A PNG of the QR code.
pub(crate) fn picture(text: &str) -> Vec<u8> {
    const SCALE: usize = 3;
    let code = qrcode::QrCode::new(text).unwrap();
    let side = (code.width() + 8) * SCALE;
    let inside = |at: usize| (at / SCALE).checked_sub(4).filter(|at| *at < code.width());
    let dark = |x, y| matches!((inside(x), inside(y)), (Some(x), Some(y)) if code[(x, y)] == qrcode::Color::Dark);
    let pixels: Vec<u8> = (0..side * side).map(|at| if dark(at % side, at / side) { 0 } else { 255 }).collect();
    let (mut bytes, size) = (Vec::new(), u32::try_from(side).unwrap());
    let mut encoder = png::Encoder::new(&mut bytes, size, size);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}
