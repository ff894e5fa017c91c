package countersign.android

import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.UserNotAuthenticatedException
import java.io.IOException
import javax.crypto.AEADBadTagException
import javax.crypto.IllegalBlockSizeException
import uniffi.countersign_mobile.KeychainException

/** What went wrong, as the engine and the person know it. No text of a key store gets out. */
internal fun tell(e: Exception, kind: Kind): KeychainException {
    val causes = generateSequence<Throwable>(e) { it.cause }.take(8).toList()
    return when {
        e is KeychainException -> e
        e is PromptException.Cancelled -> KeychainException.Cancelled()
        e is PromptException.LockedOut -> KeychainException.LockedOut()
        e is PromptException.Unavailable -> KeychainException.Unavailable(e.detail)
        // Android tells it in several ways, and may simply remove the key.
        causes.any { it is KeyPermanentlyInvalidatedException || it is KeyGone } -> gone(kind)
        e is WrappedDamaged || causes.any { it is AEADBadTagException } ->
            unavailable("what this phone has kept of its keys is damaged; nothing else is lost: restore from a backup")
        // The second is what a key of one use throws, also when the chip has dropped what was begun.
        causes.any { it is UserNotAuthenticatedException } || (e is IllegalBlockSizeException && kind == Kind.PROTECTED) -> unavailable("the system did not take note of the unlocking: try again")
        e is NobodyToRecognise ->
            unavailable("the phone needs a screen lock, and a fingerprint or face: set them up in its settings, then try again")
        e is IOException -> unavailable("the phone's keys cannot be read or written (${e.message}): make room on the phone and try again")
        else -> unavailable("the phone's key store failed (${e.javaClass.simpleName}): restart the phone and try again")
    }
}

private fun gone(kind: Kind) = when (kind) {
    Kind.PROTECTED -> KeychainException.Invalidated()
    Kind.ORDINARY -> unavailable("the system has lost the key of this phone's own files: erase what is left of the phone and restore it from a backup")
}

private fun unavailable(detail: String) = KeychainException.Unavailable(detail)
