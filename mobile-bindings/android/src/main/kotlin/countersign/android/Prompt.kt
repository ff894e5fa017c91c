package countersign.android

import javax.crypto.Cipher

/** How the person shows to be there. */
enum class Unlocking {
    /** By fingerprint or face. When one is added the system destroys the key: the seeds' key has to come back from a backup. */
    BIOMETRIC,

    /**
     * By fingerprint, face, or the code of the lock screen. Whoever knows that code can approve, and can add fingerprints, too: Android does not
     * destroy such keys when one is added, only when the screen lock is removed or reset. Before Android 11 as [BIOMETRIC].
     */
    BIOMETRIC_OR_LOCK_SCREEN,
}

/** The system's question to the person, which only the app's screen can show: a `BiometricPrompt`. */
interface Prompt {
    /**
     * Shows [reason] and has the system authorise [cipher] for one use (`CryptoObject(cipher)`); gives the authorised one back. Called on a
     * thread in the background. Takes the question away when it is cancelled.
     *
     * @throws PromptException if the person was not recognised
     */
    suspend fun authorise(cipher: Cipher, reason: String): Cipher
}

/** The person was not recognised. */
sealed class PromptException(message: String) : Exception(message) {
    /** The person, or something that came up, ended the question. */
    class Cancelled : PromptException("cancelled")

    /** Too many attempts. */
    class LockedOut : PromptException("locked out")

    /** The system can't ask now; [detail] says why, and what to do about it. */
    class Unavailable(val detail: String) : PromptException(detail)
}
