//! Relay frames and tickets.

use countersign_core::relay::{Frame, Ticket, parse_ticket};

/// What is read is written back to the same bytes. Nobody forges a ticket.
pub fn frames(data: &[u8]) {
    match Frame::parse(data) {
        Ok(Frame::Open { ticket, .. }) => {
            let _ = parse_ticket(ticket);
            assert_eq!(Frame::parse(data).expect("parsed before").encode(), data);
        }
        Ok(frame) => assert_eq!(frame.encode(), data),
        Err(_) => {}
    }
    if let Ok(Ticket { push, .. }) = parse_ticket(data) {
        // Only those of the corpus are signed.
        assert!(push.len() <= data.len());
    }
}
