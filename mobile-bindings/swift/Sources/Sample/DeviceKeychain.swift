#if canImport(Security)
import CountersignMobile
import Foundation
import LocalAuthentication
import Security

/// Secrets in the keychain of this device: an ordinary one, and one that is given only to a person who has just shown to be there.
public final class DeviceKeychain: Keychain {
    private let service = "countersign"

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
        let flags: SecAccessControlCreateFlags = try hasBiometrics() ? .biometryCurrentSet : .userPresence
        let access = SecAccessControlCreateWithFlags(nil, kSecAttrAccessibleWhenPasscodeSetThisDeviceOnly, flags, nil)
        guard let access else {
            throw KeychainError.Unavailable(detail: "this device can't protect the key: set a passcode first")
        }
        try replace(name, secret, [kSecAttrAccessControl: access])
    }

    public func unlock(name: String, reason: String) async throws -> Data {
        let prompt = Prompt(reason)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // It blocks for as long as the person takes.
                DispatchQueue.global(qos: .userInitiated).async {
                    continuation.resume(with: Result { try self.read(name, prompt.context) })
                }
            }
        } onCancel: {
            // Takes the prompt away.
            prompt.context.invalidate()
        }
    }

    /// One thread waits in it, and another may end it: that is what `invalidate` is for.
    private final class Prompt: @unchecked Sendable {
        let context = LAContext()

        init(_ reason: String) {
            context.localizedReason = reason
        }
    }

    /// Forgets everything. The keychain outlives the app: until this is called, a new phone can't be made where only the files are gone.
    public func erase() {
        SecItemDelete([kSecClass: kSecClassGenericPassword, kSecAttrService: service, kSecUseDataProtectionKeychain: true] as CFDictionary)
    }

    private func read(_ name: String, _ context: LAContext) throws -> Data {
        var query = item(name)
        query[kSecReturnData] = true
        query[kSecUseAuthenticationContext] = context
        var found: CFTypeRef?
        switch SecItemCopyMatching(query as CFDictionary, &found) {
        case errSecSuccess:
            guard let secret = found as? Data else { throw KeychainError.Unavailable(detail: "the keychain gave no data") }
            return secret
        case errSecUserCanceled: throw KeychainError.Cancelled
        case errSecAuthFailed: throw isLockedOut() ? KeychainError.LockedOut : KeychainError.WrongPassphrase
        // It was there once: nobody asks for what was never protected.
        case errSecItemNotFound: throw KeychainError.Invalidated
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

    private func isLockedOut() -> Bool {
        var error: NSError?
        let possible = LAContext().canEvaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, error: &error)
        return !possible && error?.code == LAError.Code.biometryLockout.rawValue
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
        let text = SecCopyErrorMessageString(status, nil) as String? ?? "keychain error \(status)"
        return KeychainError.Unavailable(detail: text)
    }
}
#endif
