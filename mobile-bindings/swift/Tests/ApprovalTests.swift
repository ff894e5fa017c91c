import CountersignMobile
import Foundation

/// The whole way: pair, enrol from a picture, approve, deny, mistype, block; against the real relay and the real `countersign`.
enum ApprovalTests {
    static let all: [Test] = [
        Test("a job gets the code that oathtool computes") { relay in
            let (laptop, phone) = (Laptop(relay), try await Handset.create())
            let paired = try await phone.pair(laptop)
            try equal(paired.name, "acme/widget")
            try await phone.connect()
            try await phone.enroll(laptop)
            try expect(laptop.sealed("npm") != nil, "the sealed text is in countersign.toml")
            try equal(phone.engine.seeds().map(\.label), ["ACME:release"])

            let before = Totp.step()
            let job = try laptop.code(reason: "release 1.2")
            let asked = try await phone.events.arrived()
            try equal(asked.verified.seed, "ACME:release")
            try equal(asked.verified.pairing, "acme/widget")
            try equal(asked.claimed.reason, "release 1.2")
            try await phone.approve(asked, job.number())
            try await job.endsWithCode(since: before)

            try await phone.events.settled()
            try equal(phone.engine.history().last?.outcome, .used)
            try equal(phone.keychain.prompts.now, ["Approve a new seed for acme/widget", "Approve ACME:release for acme/widget"])
        },
        Test("a seed from the app's own screen is sealed for countersign.toml") { _ in
            let phone = try await Handset.create()
            let seeds = try await SeedImport.fromPicture(picture: picture(rfcUri))
            let enrolled = try await phone.engine.enroll(seeds: seeds, indices: [0], recipients: [])
            try equal(enrolled.map(\.label), ["ACME:release"])
            let again = try await phone.engine.importSealed(sealed: enrolled[0].sealed)
            try equal(phone.engine.seeds().map(\.id), [again.id])
        },
        Test("denied with a reason") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let job = try laptop.code()
            try await phone.engine.deny(requestId: phone.events.arrived().id, reason: "not on a friday")
            let ended = try await job.end()
            try equal(ended.code, 200, ended.err)
            try expect(ended.err.contains("not on a friday"), ended.err)
            try equal(ended.out, "")
            try equal(phone.engine.history().last?.outcome, .denied)
        },
        Test("a mistyped number ends the request") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let job = try laptop.code()
            let (number, request) = (try await job.number(), try await phone.events.arrived())
            let prompts = phone.keychain.prompts.now.count
            let wrong = (number.hasPrefix("9") ? "0" : "9") + number.dropFirst()
            let failed = try await failure { try await phone.approve(request, wrong) }
            guard case .WrongNumber(let text) = failed else { throw Wrong(description: "\(failed)") }
            try expect(!text.contains(number), text)
            try equal(await job.end().code, 202)
            try equal(phone.keychain.prompts.now.count, prompts, "nobody is asked to unlock for a wrong number")
            guard case .Gone = try await failure({ try await phone.approve(request, number) }) else { throw Wrong(description: "not gone") }
        },
        Test("blocked once and for all") { relay in
            let (phone, laptop) = try await Handset.ready(relay)
            let job = try laptop.code()
            try await phone.engine.block(requestId: phone.events.arrived().id)
            try equal(await job.end().code, 200)
            try equal(phone.engine.pairings().count, 0)
        },
    ]
}
