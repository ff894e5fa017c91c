package countersign.android

import android.annotation.SuppressLint
import android.os.Build
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import java.security.InvalidAlgorithmParameterException
import java.security.KeyStore
import java.security.ProviderException
import java.security.UnrecoverableKeyException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.spec.GCMParameterSpec

private const val KEYSTORE = "AndroidKeyStore"
private const val KEY_BITS = 256
private const val TAG_BITS = 128

/** The key is not in the key store (any more). */
internal class KeyGone : Exception("the key is gone")

/** There is no screen lock, or no fingerprint or face. */
internal class NobodyToRecognise : Exception("nobody to recognise")

/** AES keys that never leave the system's key store. [sdk] is the version of Android. */
internal class KeystoreKeys(unlocking: Unlocking, private val sdk: Int = Build.VERSION.SDK_INT) {
    /** How the person unlocks a key that is made now. Before Android 11 there is no choice, and such a key stays as it is when the phone is updated. */
    val unlocking = if (sdk >= Build.VERSION_CODES.R) unlocking else Unlocking.BIOMETRIC

    // At the first use, where a failure is told.
    private val store by lazy { KeyStore.getInstance(KEYSTORE).apply { load(null) } }

    /**
     * Makes a key; if [protectedByPerson], each use of it needs the person. In a secure element of its own ([strongBox]) where there is one.
     *
     * @return whether it is in there
     */
    fun make(alias: String, protectedByPerson: Boolean, strongBox: Boolean = true): Boolean = try {
        generate(spec(alias, protectedByPerson, strongBox))
        strongBox
    } catch (e: ProviderException) {
        // There is none, or it is full. The ordinary key store is in hardware, too.
        if (strongBox) make(alias, protectedByPerson, strongBox = false) else throw e
    } catch (e: InvalidAlgorithmParameterException) {
        // The one thing in what we ask for that depends on the phone's settings.
        throw if (protectedByPerson) NobodyToRecognise() else e
    }

    fun aliases(): List<String> = store.aliases().toList()

    fun delete(alias: String) = store.deleteEntry(alias)

    /** A cipher with a fresh nonce, which the key store chooses. */
    fun encrypting(alias: String): Cipher = cipher().apply { init(Cipher.ENCRYPT_MODE, key(alias)) }

    fun decrypting(alias: String, nonce: ByteArray): Cipher =
        cipher().apply { init(Cipher.DECRYPT_MODE, key(alias), GCMParameterSpec(TAG_BITS, nonce)) }

    private fun key(alias: String) = try {
        store.getKey(alias, null) ?: throw KeyGone()
    } catch (e: UnrecoverableKeyException) {
        // How Android says here that it has destroyed a key; trouble that may pass comes with a cause.
        throw if (e.cause == null) KeyGone() else e
    }

    private fun generate(spec: KeyGenParameterSpec) {
        KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEYSTORE).apply { init(spec) }.generateKey()
    }

    @SuppressLint("NewApi") // lint does not know that `sdk` is the version
    private fun spec(alias: String, protectedByPerson: Boolean, strongBox: Boolean): KeyGenParameterSpec {
        val builder = KeyGenParameterSpec.Builder(alias, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
            .setKeySize(KEY_BITS)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setIsStrongBoxBacked(strongBox)
        if (protectedByPerson) {
            builder.setUserAuthenticationRequired(true).setInvalidatedByBiometricEnrollment(true)
            // Zero seconds: for one use. It is the default before Android 11, with biometrics only.
            if (sdk >= Build.VERSION_CODES.R) builder.setUserAuthenticationParameters(0, authenticators())
        }
        return builder.build()
    }

    private fun authenticators() = when (unlocking) {
        Unlocking.BIOMETRIC -> KeyProperties.AUTH_BIOMETRIC_STRONG
        Unlocking.BIOMETRIC_OR_LOCK_SCREEN -> KeyProperties.AUTH_BIOMETRIC_STRONG or KeyProperties.AUTH_DEVICE_CREDENTIAL
    }

    private fun cipher() = Cipher.getInstance("AES/GCM/NoPadding")
}
