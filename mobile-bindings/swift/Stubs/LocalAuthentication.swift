// NOT Apple's: see README.md.
import Foundation

public typealias NSErrorPointer = UnsafeMutablePointer<NSError?>?

public enum LAPolicy: Int {
    case deviceOwnerAuthenticationWithBiometrics = 1
    case deviceOwnerAuthentication = 2
}

open class LAContext: NSObject {
    open var localizedReason = ""
    open func canEvaluatePolicy(_ policy: LAPolicy, error: NSErrorPointer) -> Bool { false }
    open func invalidate() {}
}

public struct LAError: Error {
    public enum Code: Int {
        case authenticationFailed = -1
        case userCancel = -2
        case biometryLockout = -8
    }
}
