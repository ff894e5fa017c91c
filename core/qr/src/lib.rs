//! An otpauth URI out of a picture of a QR code: PNG or JPEG. Pure Rust and bounded. Our buffers that may show a
//! secret are wiped: pixels, texts. The copy of the pixels that `rqrr` works on, its decoded bits, and what the decoders keep of the file are not: the programs around it
//! have an allocator that wipes what is freed.

use std::io::Cursor;

use zeroize::Zeroizing;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// Largest picture, bytes.
pub const MAX_FILE: usize = 16 * 1024 * 1024;
/// Longest side, pixels.
pub const MAX_SIDE: usize = 8192;
/// Most pixels.
pub const MAX_PIXELS: usize = 16_000_000;

/// Why a picture gives no otpauth URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// More than [`MAX_FILE`] bytes.
    #[error("it is larger than 16 MiB")]
    FileTooLarge,
    /// More than [`MAX_PIXELS`], or a side longer than [`MAX_SIDE`].
    #[error("it has more than 16 million pixels, or a side longer than 8192")]
    TooManyPixels,
    /// Another format.
    #[error("it is neither PNG nor JPEG")]
    Format,
    /// Cut or damaged.
    #[error("it is damaged")]
    Damaged,
    /// No QR code.
    #[error("there is no QR code in it that can be read")]
    NoCode,
    /// QR codes of something else.
    #[error("the QR code in it is not an otpauth URI")]
    NotOtpAuth,
    /// More than one.
    #[error("there is more than one otpauth QR code in it")]
    Several,
}

/// Grey pixels of a picture; may show a secret, wiped on drop.
struct Grey {
    width: usize,
    height: usize,
    pixels: Zeroizing<Vec<u8>>,
}

/// Reads the one `otpauth://` or `otpauth-migration://` URI in a picture.
///
/// # Errors
/// [`PictureError`].
pub fn read(bytes: &[u8]) -> Result<Zeroizing<String>, PictureError> {
    if bytes.len() > MAX_FILE {
        return Err(PictureError::FileTooLarge);
    }
    scan(&decode(bytes)?)
}

fn decode(bytes: &[u8]) -> Result<Grey, PictureError> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        decode_png(bytes)
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        decode_jpeg(bytes)
    } else {
        Err(PictureError::Format)
    }
}

fn check_size(width: usize, height: usize) -> Result<(), PictureError> {
    let fits = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) && width.saturating_mul(height) <= MAX_PIXELS;
    if fits { Ok(()) } else { Err(PictureError::TooManyPixels) }
}

fn decode_png(bytes: &[u8]) -> Result<Grey, PictureError> {
    let damaged = |_| PictureError::Damaged;
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 5 * MAX_PIXELS });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(width, height)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let size = reader.output_buffer_size().ok_or(PictureError::TooManyPixels)?;
    let mut buffer = Zeroizing::new(vec![0; size]);
    let frame = reader.next_frame(&mut buffer).map_err(damaged)?;
    let (colors, alpha) = match frame.color_type {
        png::ColorType::Grayscale => (1, false),
        png::ColorType::GrayscaleAlpha => (1, true),
        png::ColorType::Rgb => (3, false),
        png::ColorType::Rgba => (3, true),
        png::ColorType::Indexed => return Err(PictureError::Damaged),
    };
    let mut pixels = Zeroizing::new(Vec::with_capacity(width * height));
    pixels.extend(buffer.chunks_exact(colors + usize::from(alpha)).take(width * height).map(|pixel| {
        let opacity = pixel.get(colors).map_or(255, |opacity| u32::from(*opacity));
        let sum: u32 = pixel.iter().take(colors).map(|part| u32::from(*part)).sum();
        let grey = sum / u32::try_from(colors).unwrap_or(1);
        // What is transparent is white, as in a browser.
        u8::try_from((grey * opacity + 255 * (255 - opacity)) / 255).unwrap_or(u8::MAX)
    }));
    sized(width, height, pixels)
}

fn decode_jpeg(bytes: &[u8]) -> Result<Grey, PictureError> {
    let options = DecoderOptions::default().set_max_width(MAX_SIDE).set_max_height(MAX_SIDE).jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|_| PictureError::Damaged)?;
    let (width, height) = decoder.info().map(|info| (usize::from(info.width), usize::from(info.height))).ok_or(PictureError::Damaged)?;
    check_size(width, height)?;
    let pixels = Zeroizing::new(decoder.decode().map_err(|_| PictureError::Damaged)?);
    sized(width, height, pixels)
}

fn sized(width: usize, height: usize, pixels: Zeroizing<Vec<u8>>) -> Result<Grey, PictureError> {
    if pixels.len() == width * height { Ok(Grey { width, height, pixels }) } else { Err(PictureError::Damaged) }
}

fn scan(picture: &Grey) -> Result<Zeroizing<String>, PictureError> {
    let mut found: Vec<Zeroizing<String>> = Vec::new();
    // Some services show light codes on a dark page.
    for inverted in [false, true] {
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(picture.width, picture.height, |x, y| {
            let pixel = picture.pixels.get(y * picture.width + x).copied().unwrap_or(255);
            if inverted { 255 - pixel } else { pixel }
        });
        for grid in image.detect_grids() {
            if let Ok((_, text)) = grid.decode() {
                let text = Zeroizing::new(text);
                if !found.contains(&text) {
                    found.push(text);
                }
            }
        }
    }
    let any = !found.is_empty();
    let is_otpauth = |text: &Zeroizing<String>| text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("otpauth"));
    found.retain(is_otpauth);
    match (found.pop(), found.is_empty(), any) {
        (Some(uri), true, _) => Ok(uri),
        (Some(_), false, _) => Err(PictureError::Several),
        (None, _, true) => Err(PictureError::NotOtpAuth),
        (None, _, false) => Err(PictureError::NoCode),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    const URI: &str = "otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";

    fn png(text: &str, colour: png::ColorType, inverted: bool) -> Vec<u8> {
        let code = qrcode::QrCode::new(text).unwrap();
        let (scale, side) = (3, code.width() + 8);
        let dark = |x: usize, y: usize| {
            let inside = |at: usize| (at / scale).checked_sub(4).filter(|at| *at < code.width());
            matches!((inside(x), inside(y)), (Some(x), Some(y)) if code[(x, y)] == qrcode::Color::Dark)
        };
        let mut data = Vec::new();
        for y in 0..side * scale {
            for x in 0..side * scale {
                let value = if dark(x, y) != inverted { 0 } else { 255 };
                match colour {
                    png::ColorType::Rgba => data.extend([value, value, value, 255 - value]),
                    _ => data.push(value),
                }
            }
        }
        let mut bytes = Vec::new();
        let size = u32::try_from(side * scale).unwrap();
        let mut encoder = png::Encoder::new(&mut bytes, size, size);
        encoder.set_color(colour);
        encoder.write_header().unwrap().write_image_data(&data).unwrap();
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<String, PictureError> {
        read(bytes).map(|uri| uri.to_string())
    }

    #[test]
    fn pictures_are_read() {
        assert_eq!(read_bytes(&png(URI, png::ColorType::Grayscale, false)).as_deref(), Ok(URI));
        assert_eq!(read_bytes(&png(URI, png::ColorType::Grayscale, true)).as_deref(), Ok(URI));
        assert_eq!(read_bytes(&png(URI, png::ColorType::Rgba, false)).as_deref(), Ok(URI));
    }

    #[test]
    fn other_pictures_are_refused() {
        assert_eq!(read_bytes(&png("https://example.org", png::ColorType::Grayscale, false)), Err(PictureError::NotOtpAuth));
        assert_eq!(read_bytes(b"GIF89a"), Err(PictureError::Format));
        let good = png(URI, png::ColorType::Grayscale, false);
        assert_eq!(read_bytes(&good[..60]), Err(PictureError::Damaged));
        assert_eq!(read_bytes(&[0xff, 0xd8, 0xff, 0xe0, 0]), Err(PictureError::Damaged));
    }

    /// A header that promises 30,000 by 30,000 pixels is refused before any is decoded.
    #[test]
    fn pixels_are_bounded() {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 30_000, 30_000);
        encoder.set_color(png::ColorType::Grayscale);
        drop(encoder.write_header().unwrap());
        assert_eq!(read_bytes(&bytes), Err(PictureError::TooManyPixels));
    }
}
