//! The relay over real sockets, and the program.

mod ends;
mod program;
mod sockets;
