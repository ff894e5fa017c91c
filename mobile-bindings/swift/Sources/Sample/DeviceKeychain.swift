#if canImport(Security)
import CountersignMobile
import Foundation
import LocalAuthentication
import Security

/// Secrets in the keychain of this device: an ordinary one, and one that is given only to a person who has just shown to be there.
public final class DeviceKeychain: Keychain {
    private let service = "countersign"
    /// Beside the protected secret: whose faces or fingers were enrolled when it was protected.
    private let enrolled = "enrolled"

    public init() {}

    public func load(name: String) throws -> Data? {
        var query = item(name)
        query[kSecReturnData] = true
        var found: CFTypeRef?
        switch SecItemCopyMatching(query as CFDictionary, &found) {
        case errSecSuccess: return found as? Data
        case errSecItemNotFound: return nil
        case let status: throw unavailable(status)
        }
    }

    public func store(name: String, secret: Data) throws {
        try replace(name, secret, [kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly])
    }

    public func protect(name: String, secret: Data, reason: String) async throws {
        // The keychain would only say that something was not correct.
        guard LAContext().canEvaluatePolicy(.deviceOwnerAuthentication, error: nil) else {
            throw KeychainError.Unavailable(detail: "this device has no passcode: set one, and try again")
        }
        let flags: SecAccessControlCreateFlags = try hasBiometrics() ? .biometryCurrentSet : .userPresence
        let access = SecAccessControlCreateWithFlags(nil, kSecAttrAccessibleWhenPasscodeSetThisDeviceOnly, flags, nil)
        guard let access else { throw KeychainError.Unavailable(detail: "this device can't protect a key: update its system, and try again") }
        try replace(name, secret, [kSecAttrAccessControl: access])
        rememberEnrolled()
    }

    public func unlock(name: String, reason: String) async throws -> Data {
        let question = Question(reason)
        return try await Prompt().show { try self.read(name, question.context) } end: { question.context.invalidate() }
    }

    /// One thread waits in it, and another may end it: that is what `invalidate` is for.
    private final class Question: @unchecked Sendable {
        let context = LAContext()

        init(_ reason: String) {
            context.localizedReason = reason
        }
    }

    /// Forgets everything, for good. The keychain outlives the app: until this is called, a new phone can't be made where only the files are gone.
    public func erase() throws {
        let all: [CFString: Any] = [kSecClass: kSecClassGenericPassword, kSecAttrService: service, kSecUseDataProtectionKeychain: true]
        let status = SecItemDelete(all as CFDictionary)
        guard [errSecSuccess, errSecItemNotFound].contains(status) else { throw unavailable(status) }
    }

    private func read(_ name: String, _ context: LAContext) throws -> Data {
        var query = item(name)
        query[kSecReturnData] = true
        query[kSecUseAuthenticationContext] = context
        var found: CFTypeRef?
        switch SecItemCopyMatching(query as CFDictionary, &found) {
        case errSecSuccess:
            guard let secret = found as? Data else { throw KeychainError.Unavailable(detail: "the keychain gave no data") }
            // An update of the system may tell it in another way.
            rememberEnrolled()
            return secret
        case errSecUserCanceled: throw KeychainError.Cancelled
        case errSecAuthFailed:
            // The keychain says so of everything but the person's own "Cancel".
            _ = try hasBiometrics()
            throw hasOtherFaces() ? KeychainError.Invalidated : KeychainError.NotRecognised
        case errSecItemNotFound: throw hasOtherFaces() ? KeychainError.Invalidated : KeychainError.Missing
        case let status: throw unavailable(status)
        }
    }

    /// With them a new face or finger destroys the item; on a device without, the passcode opens it. Where they are there and can't be used now,
    /// the passcode must not do for good.
    private func hasBiometrics() throws -> Bool {
        let context = LAContext()
        var error: NSError?
        if context.canEvaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, error: &error) { return true }
        switch error?.code {
        case LAError.Code.biometryLockout.rawValue: throw KeychainError.LockedOut
        case LAError.Code.biometryNotEnrolled.rawValue, LAError.Code.passcodeNotSet.rawValue: return false
        case _ where context.biometryType == .none: return false
        default: throw KeychainError.Unavailable(detail: "let this app use Face ID or Touch ID, in the settings of the device, and try again")
        }
    }

    /// Whether faces or fingers have changed since the secret was protected: such a change has destroyed it, and the keychain does not say so.
    private func hasOtherFaces() -> Bool {
        guard let before = try? load(name: enrolled), !before.isEmpty else { return false }
        return enrolledNow() != before
    }

    /// Where it can't be kept, a change is told as a face that was not recognised.
    private func rememberEnrolled() {
        try? store(name: enrolled, secret: enrolledNow() ?? Data())
    }

    private func enrolledNow() -> Data? {
        let context = LAContext()
        // Known only after this.
        _ = context.canEvaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, error: nil)
        return context.evaluatedPolicyDomainState
    }

    /// The engine replaces only what is of no use any more: nothing is lost if the second half fails.
    private func replace(_ name: String, _ secret: Data, _ protection: [CFString: Any]) throws {
        var new = item(name)
        SecItemDelete(new as CFDictionary)
        new[kSecValueData] = secret
        new.merge(protection) { $1 }
        let status = SecItemAdd(new as CFDictionary, nil)
        guard status == errSecSuccess else { throw unavailable(status) }
    }

    private func item(_ name: String) -> [CFString: Any] {
        [kSecClass: kSecClassGenericPassword, kSecAttrService: service, kSecAttrAccount: name, kSecUseDataProtectionKeychain: true]
    }

    private func unavailable(_ status: OSStatus) -> KeychainError {
        if status == errSecInteractionNotAllowed { return .Unavailable(detail: "this device is locked: unlock it, and try again") }
        return .Unavailable(detail: SecCopyErrorMessageString(status, nil) as String? ?? "keychain error \(status)")
    }
}
#endif
