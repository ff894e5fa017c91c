// NOT Apple's: see README.md.
import Foundation

public typealias NSErrorPointer = UnsafeMutablePointer<NSError?>?

public enum LAPolicy: Int {
    case deviceOwnerAuthenticationWithBiometrics = 1
    case deviceOwnerAuthentication = 2
}

open class LAContext: NSObject {
    open var localizedReason = ""
    open var biometryType: LABiometryType { .none }
    open var evaluatedPolicyDomainState: Data? { nil }
    open func canEvaluatePolicy(_ policy: LAPolicy, error: NSErrorPointer) -> Bool { false }
    open func invalidate() {}
}

public enum LABiometryType: Int {
    case none = 0
    case touchID = 1
    case faceID = 2
}

public struct LAError: Error {
    public enum Code: Int {
        case authenticationFailed = -1
        case userCancel = -2
        case passcodeNotSet = -5
        case biometryNotAvailable = -6
        case biometryNotEnrolled = -7
        case biometryLockout = -8
    }
}
