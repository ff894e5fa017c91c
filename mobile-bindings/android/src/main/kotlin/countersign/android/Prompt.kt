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

/**
 * The system's question to the person. [SystemPrompt] is one; write another only for a prompt of another library. One for the whole process: it finds the
 * screen of the moment by itself.
 */
interface Prompt {
    /**
     * Shows [reason] and has the system authorise [cipher] for one use (`CryptoObject(cipher)`), in the way that [unlocking] says, which is the
     * [KeystoreKeychain]'s; gives the authorised cipher back. Called on a thread in the background. Takes the question away when it is cancelled: the
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
}
