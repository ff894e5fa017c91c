import Foundation

private let environment = ProcessInfo.processInfo.environment

private func program(_ name: String) throws -> String {
    guard let folder = environment["PROGRAMS"] else { throw Wrong(description: "run the tests with mobile-bindings/swift/run") }
    return "\(folder)/\(name)"
}

/// The real relay, on a free port of this machine unless `address` is given.
final class Relay: Sendable {
    let url: String
    private let running: Running
    var address: String { String(url.dropFirst("ws://".count)) }

    init(_ address: String = "127.0.0.1:0") async throws {
        running = try Running(program("countersign-relay"), ["--listen", address])
        url = try await running.outs(#"listening on (\S+)\n"#)
    }

    func kill() async throws { try await running.kill() }
}

/// A laptop's (or job's) folder, in which the real `countersign` runs.
final class Laptop: Sendable {
    let config: URL
    private let relay: String
    private let folder = Folder()
    private let key: String

    init(_ relay: Relay) {
        self.relay = relay.url
        config = folder.url.appendingPathComponent("countersign.toml")
        key = folder.url.appendingPathComponent("countersign.key").path
    }

    /// Starts `countersign` with these arguments.
    func countersign(_ arguments: String...) throws -> Running {
        var variables = environment.filter { ["PATH", "TMPDIR"].contains($0.key) }
        if FileManager.default.fileExists(atPath: key), arguments.first != "pair" { variables["COUNTERSIGN_KEY_FILE"] = key }
        return try Running(program("countersign"), arguments, folder: folder.url, environment: variables)
    }

    func pair(_ name: String) throws -> Running {
        try countersign("pair", "--relay", relay, "--name", name, "--no-qr", "--key-file", key)
    }

    /// A job that wants a code of `seed`.
    func code(_ seed: String = "npm", reason: String = "release") throws -> Running {
        try countersign("code", seed, "--json", "--reason", reason)
    }

    /// The sealed text of a seed in countersign.toml.
    func sealed(_ seed: String) throws -> String? {
        try lastGroup(#"\[seed\.\#(seed)]\s[^\[]*?sealed = "([^"]+)""#, in: String(contentsOf: config, encoding: .utf8))
    }
}

extension Running {
    /// The pairing text on a laptop's screen.
    func pairingText() async throws -> String { try await errs(#"(COUNTERSIGN-PAIR-1[^\s]+)\s"#) }

    /// The match number of a request.
    func number() async throws -> String { try await errs(#""event":"number"[^\n]*"number":"(\d+)""#) }

    /// The number of a request that had to begin anew.
    func lastNumber() async throws -> String { try await errs(#""event":"number"[\s\S]*"event":"number"[^\n]*"number":"(\d+)""#) }

    /// Ends well, with one of the codes of `secret` from the step `before` until now; gives it.
    @discardableResult
    func endsWithCode(since before: Int, secret: String = rfcSecret, ahead: Int = 0) async throws -> String {
        let ended = try await end()
        try equal(ended.code, 0, ended.err)
        let code = ended.out.trimmingCharacters(in: .whitespacesAndNewlines)
        var right: [String] = []
        for step in before...Totp.step() + ahead { right.append(try await Totp.code(step, secret)) }
        try expect(right.contains(code), "\(code) is none of \(right)")
        try expect(!ended.err.contains(code), "the code is on standard output alone")
        return code
    }
}

/// RFC 6238's own secret, `12345678901234567890`.
let rfcSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
let rfcUri = "otpauth://totp/ACME:release?secret=\(rfcSecret)&issuer=ACME&algorithm=SHA1&digits=6&period=30"

/// What `oathtool` says.
enum Totp {
    static func step() -> Int { Int(Date().timeIntervalSince1970) / 30 }

    /// The code of a step of 30 seconds.
    static func code(_ step: Int, _ secret: String = rfcSecret) async throws -> String {
        let ended = try await Running("/usr/bin/env", ["oathtool", "--totp", "-b", secret, "--now", "@\(step * 30)"]).end()
        try equal(ended.code, 0, ended.err)
        return ended.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// A picture of a QR code, drawn by `qrencode`.
func picture(_ text: String) async throws -> Data {
    let folder = Folder()
    let file = folder.url.appendingPathComponent("qr.png")
    let ended = try await Running("/usr/bin/env", ["qrencode", "-s", "8", "-o", file.path, text]).end()
    try equal(ended.code, 0, ended.err)
    return try Data(contentsOf: file)
}

/// A folder of its own, for as long as somebody holds it.
final class Folder: Sendable {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("countersign-\(UUID().uuidString)")

    init() {
        try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}
