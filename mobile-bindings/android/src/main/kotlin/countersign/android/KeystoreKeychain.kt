package countersign.android

import android.content.Context
import java.io.File
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.ProviderException
import javax.crypto.Cipher
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.KeychainException

/** One question at a time, and no key removed while another call is about to use it. For the process, whatever objects there are. */
private val asking = Mutex()
private val storing = Any()

/**
 * Secrets as files that only keys of the Android Keystore open: ordinary ones by a key the app may use, protected ones by a key that wants the
 * person each time. Every secret gets a fresh key; the older one goes only when the new file is on disk, so a call that fails or is killed
 * loses nothing.
 *
 * Secrets that are handed in are wiped here. Making the object touches neither disk nor key store; its functions do, and are called by the engine on
 * threads of its own.
 *
 * `unlocking` is for the key that is made by the next [protect]: the key of a phone that is set up stays as it is until `restoreUnlockKey`, and so does its
 * question.
 */
class KeystoreKeychain internal constructor(
    private val files: WholeFiles,
    private val keys: KeystoreKeys,
    private val prompt: Prompt,
) : Keychain {
    constructor(context: Context, prompt: Prompt, unlocking: Unlocking = Unlocking.BIOMETRIC) :
        this(WholeFiles({ File(context.noBackupFilesDir, "countersign-keys") }), KeystoreKeys(unlocking), prompt)

    override fun load(name: String): ByteArray? = telling(Kind.ORDINARY) {
        // Else the key that the file names could be replaced before it is used.
        synchronized(storing) { open(Kind.ORDINARY, name) { cipher, _ -> cipher } }
    }

    override fun store(name: String, secret: ByteArray) = telling(Kind.ORDINARY) {
        wiping(secret) { synchronized(storing) { seal(Kind.ORDINARY, name, secret) { it } } }
    }

    override suspend fun protect(name: String, secret: ByteArray, reason: String) = telling(Kind.PROTECTED) {
        wiping(secret) { asking.withLock { seal(Kind.PROTECTED, name, secret) { ask(it, reason, keys.unlocking) } } }
    }

    override suspend fun unlock(name: String, reason: String): ByteArray = telling(Kind.PROTECTED) {
        asking.withLock {
            open(Kind.PROTECTED, name) { cipher, unlocking -> ask(cipher, reason, unlocking ?: throw WrappedDamaged()) }
        } ?: throw KeychainException.Missing()
    }

    /**
     * Destroys every secret, for good: without a backup the seeds can't be opened any more. For beginning anew, before [FileStorage.erase]; close
     * the `Authenticator` first. Waits for the disk.
     */
    fun erase() = telling(Kind.ORDINARY) {
        synchronized(storing) {
            files.erase()
            keys.aliases().filter { it.startsWith(ALIASES) }.forEach(keys::delete)
        }
    }

    private suspend fun ask(cipher: Cipher, reason: String, unlocking: Unlocking): Cipher = try {
        prompt.authorise(cipher, reason, unlocking)
    } catch (e: PromptException) {
        throw e
    } catch (e: CancellationException) {
        currentCoroutineContext().ensureActive()
        // Not we were cancelled: the screen that asked is gone.
        throw PromptException.Cancelled()
    } catch (e: Exception) {
        // Not the key store's fault, and its text may hold anything.
        throw PromptException.Unavailable("the question could not be shown (${e.javaClass.simpleName}): try again")
    }

    private inline fun seal(kind: Kind, name: String, secret: ByteArray, authorise: (Cipher) -> Cipher) {
        val file = kind.file(name)
        val id = Wrapped.newKeyId()
        val alias = kind.alias(name, id)
        val wrapped = try {
            val inStrongBox = keys.make(alias, kind == Kind.PROTECTED)
            try {
                wrap(kind, name, id, secret, authorise)
            } catch (e: Exception) {
                if (!inStrongBox || (e !is GeneralSecurityException && e !is ProviderException)) throw e
                // Some chips make keys that fail when they are used. Nothing depends on this one yet; later there is no other to turn to.
                keys.make(alias, kind == Kind.PROTECTED, strongBox = false)
                wrap(kind, name, id, secret, authorise)
            }
        } catch (e: Exception) {
            tidy { it == alias }
            throw e
        }
        files.replace(file, wrapped.toBytes())
        tidy { it.startsWith(kind.alias(name, "")) && it != alias }
    }

    private inline fun wrap(kind: Kind, name: String, id: String, secret: ByteArray, authorise: (Cipher) -> Cipher): Wrapped {
        val cipher = authorise(keys.encrypting(kind.alias(name, id)))
        cipher.updateAAD(kind.context(name))
        return Wrapped(keys.unlocking.takeIf { kind == Kind.PROTECTED }, id, cipher.iv, cipher.doFinal(secret))
    }

    private inline fun open(kind: Kind, name: String, authorise: (Cipher, Unlocking?) -> Cipher): ByteArray? {
        val wrapped = Wrapped.parse(files.read(kind.file(name)) ?: return null)
        val cipher = authorise(keys.decrypting(kind.alias(name, wrapped.keyId), wrapped.nonce), wrapped.unlocking)
        cipher.updateAAD(kind.context(name))
        return cipher.doFinal(wrapped.ciphertext)
    }

    private inline fun <T> wiping(secret: ByteArray, work: () -> T): T = try {
        work()
    } finally {
        secret.fill(0)
    }

    /** Keys without a file open nothing. One that stays does no harm, and goes the next time. */
    private fun tidy(which: (String) -> Boolean) = try {
        keys.aliases().filter(which).forEach(keys::delete)
    } catch (_: Exception) {
        // As it says.
    }

    private inline fun <T> telling(kind: Kind, work: () -> T): T = try {
        work()
    } catch (e: CancellationException) {
        throw e
    } catch (e: Exception) {
        throw tell(e, kind)
    }
}

private const val ALIASES = "countersign."

internal enum class Kind(private val word: String) {
    ORDINARY("ordinary"),
    PROTECTED("protected"),
    ;

    fun file(name: String): String {
        if (!isName(name)) throw IOException("this is no name for a secret: only small letters and dashes are")
        return "$word-$name"
    }

    fun alias(name: String, id: String) = "$ALIASES$word.$name.$id"

    /** Bound to the ciphertext: a file under another name does not open. */
    fun context(name: String) = "countersign keychain 1 $word $name".toByteArray()
}
