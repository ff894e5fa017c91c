package countersign.android

import android.hardware.biometrics.BiometricPrompt
import javax.crypto.Cipher

/** The button that cancels. The framework's own constant is hidden; AndroidX has it as `ERROR_NEGATIVE_BUTTON`. */
internal const val NEGATIVE_BUTTON = 13

/** How the person shows to be there. */
enum class Unlocking {
    /** By fingerprint or face. When one is added, or the last one removed, the system destroys the key: the seeds' key has to come back from a backup. */
    BIOMETRIC,

    /**
     * By fingerprint, face, or the code of the lock screen. Whoever knows that code can approve, and can add fingerprints, too: Android does not
     * destroy such keys when one is added, only when the screen lock is removed or reset. Before Android 11 as [BIOMETRIC].
     */
    BIOMETRIC_OR_LOCK_SCREEN,
}

/**
 * The system's question to the person. [SystemPrompt] is one; write another only for a prompt of another library. One for the whole process: it finds the
 * screen of the moment by itself.
 */
interface Prompt {
    /**
     * Shows [reason] and has the system authorise [cipher] for one use (`CryptoObject(cipher)`), in the way that [unlocking] says: the key takes
     * no other; gives the authorised cipher back. Called on a thread in the background. Takes the question away when it is cancelled: the
     * request may be gone before the person has answered.
     *
     * @throws PromptException if the person was not recognised
     */
    suspend fun authorise(cipher: Cipher, reason: String, unlocking: Unlocking): Cipher
}

/** The person was not recognised. */
sealed class PromptException(message: String) : Exception(message) {
    /** The person, or something that came up, ended the question. */
    class Cancelled : PromptException("cancelled")

    /** Too many attempts. */
    class LockedOut : PromptException("locked out")

    /** The system can't ask now; [detail] says why, and what to do about it. */
    class Unavailable(val detail: String) : PromptException(detail)

    companion object {
        /** What an error of `BiometricPrompt` means here; AndroidX has the same codes. */
        fun of(code: Int): PromptException = when (code) {
            BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED,
            BiometricPrompt.BIOMETRIC_ERROR_CANCELED,
            BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT,
            NEGATIVE_BUTTON,
            -> Cancelled()
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT,
            -> LockedOut()
            BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS,
            BiometricPrompt.BIOMETRIC_ERROR_NO_DEVICE_CREDENTIAL,
            -> Unavailable("set up a screen lock and a fingerprint or face in the phone's settings, then try again")
            BiometricPrompt.BIOMETRIC_ERROR_HW_NOT_PRESENT -> Unavailable("this phone can recognise neither fingerprint nor face")
            else -> Unavailable("the phone cannot recognise anybody now (code $code): lock and unlock it, then try again")
        }
    }
}
