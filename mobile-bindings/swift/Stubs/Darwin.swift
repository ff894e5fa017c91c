// NOT Apple's: see README.md. What it shares with Linux comes from there.
@_exported import Glibc

public var F_FULLFSYNC: Int32 { 51 }
