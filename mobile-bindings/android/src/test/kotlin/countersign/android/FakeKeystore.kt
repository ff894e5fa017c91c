package countersign.android

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.StrongBoxUnavailableException
import java.io.InputStream
import java.io.OutputStream
import java.security.AlgorithmParameters
import java.security.InvalidAlgorithmParameterException
import java.security.Key
import java.security.KeyStoreSpi
import java.security.Provider
import java.security.SecureRandom
import java.security.Security
import java.security.UnrecoverableKeyException
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.util.Collections
import java.util.Date
import java.util.Enumeration
import javax.crypto.Cipher
import javax.crypto.CipherSpi
import javax.crypto.IllegalBlockSizeException
import javax.crypto.KeyGeneratorSpi
import javax.crypto.SecretKey
import javax.crypto.spec.SecretKeySpec

/** What the tests turn on the phone whose key store this is. */
object Phone {
    val keys = sortedMapOf<String, FakeKey>()
    var strongBox = true

    /** What keys in StrongBox fail with when they are given to a cipher, and when it is to encrypt or decrypt. */
    var strongBoxInit: Exception? = null
    var strongBoxDoFinal: Exception? = null
    var biometricsEnrolled = true

    /** What getting a key fails with, if not null: that it was destroyed is told there or when it is used. */
    var noKey: UnrecoverableKeyException? = null

    /** How the person was recognised (`KeyProperties.AUTH_`), for one use of a protected key; 0 if not. */
    var recognised = 0

    fun reset() {
        keys.clear()
        strongBox = true
        strongBoxInit = null
        strongBoxDoFinal = null
        biometricsEnrolled = true
        recognised = 0
        noKey = null
    }

    /** What Android does when a fingerprint is added. */
    fun addFingerprint() = keys.values.filter { it.spec.isUserAuthenticationRequired }.forEach { it.invalidated = true }

    fun install() {
        Security.removeProvider("AndroidKeyStore")
        Security.addProvider(FakeKeystore())
        reset()
    }
}

/** As the key store's: without bytes. */
class FakeKey(val spec: KeyGenParameterSpec, val inside: SecretKeySpec) : SecretKey {
    var invalidated = false

    override fun getAlgorithm() = "AES"

    override fun getFormat() = null

    override fun getEncoded() = null
}

/** A provider of that name, made of Java's own AES-GCM, which refuses what the Android Keystore refuses. */
@Suppress("DEPRECATION")
class FakeKeystore : Provider("AndroidKeyStore", 1.0, "for tests") {
    init {
        put("KeyStore.AndroidKeyStore", Store::class.java.name)
        put("KeyGenerator.AES", Generator::class.java.name)
        put("Cipher.AES/GCM/NoPadding", Gcm::class.java.name)
        put("Cipher.AES/GCM/NoPadding SupportedKeyClasses", FakeKey::class.java.name)
    }

    class Generator : KeyGeneratorSpi() {
        private lateinit var spec: KeyGenParameterSpec

        override fun engineInit(params: AlgorithmParameterSpec?, random: SecureRandom?) {
            spec = params as KeyGenParameterSpec
            if (spec.isUserAuthenticationRequired && !Phone.biometricsEnrolled) {
                throw InvalidAlgorithmParameterException("At least one biometric must be enrolled")
            }
        }

        override fun engineInit(random: SecureRandom?) = throw UnsupportedOperationException()

        override fun engineInit(size: Int, random: SecureRandom?) = throw UnsupportedOperationException()

        override fun engineGenerateKey(): SecretKey {
            if (spec.isStrongBoxBacked && !Phone.strongBox) throw StrongBoxUnavailableException()
            val bytes = ByteArray(spec.keySize / 8).also(SecureRandom()::nextBytes)
            return FakeKey(spec, SecretKeySpec(bytes, "AES")).also { Phone.keys[spec.keystoreAlias] = it }
        }
    }

    class Gcm : CipherSpi() {
        private val real = Cipher.getInstance("AES/GCM/NoPadding", "SunJCE")
        private lateinit var key: FakeKey

        override fun engineInit(mode: Int, key: Key?, random: SecureRandom?) {
            this.key = usable(key)
            real.init(mode, this.key.inside)
        }

        override fun engineInit(mode: Int, key: Key?, params: AlgorithmParameterSpec?, random: SecureRandom?) {
            this.key = usable(key)
            // The key store chooses nonces itself.
            if (mode == Cipher.ENCRYPT_MODE) throw InvalidAlgorithmParameterException("Caller-provided IV not permitted")
            real.init(mode, this.key.inside, params)
        }

        private fun usable(key: Key?): FakeKey {
            key as FakeKey
            if (key.spec.isStrongBoxBacked) Phone.strongBoxInit?.let { throw it }
            if (key.invalidated) throw KeyPermanentlyInvalidatedException("Key permanently invalidated")
            return key
        }

        override fun engineUpdateAAD(data: ByteArray, offset: Int, length: Int) = real.updateAAD(data, offset, length)

        override fun engineDoFinal(input: ByteArray?, offset: Int, length: Int): ByteArray {
            if (key.spec.isUserAuthenticationRequired) {
                if ((Phone.recognised and key.spec.userAuthenticationType) == 0) throw IllegalBlockSizeException("Key user not authenticated")
                Phone.recognised = 0
            }
            if (key.spec.isStrongBoxBacked) Phone.strongBoxDoFinal?.let { throw it }
            return real.doFinal(input ?: ByteArray(0), offset, length)
        }

        override fun engineGetIV(): ByteArray = real.iv

        override fun engineGetBlockSize() = real.blockSize

        override fun engineGetOutputSize(length: Int) = real.getOutputSize(length)

        override fun engineGetParameters(): AlgorithmParameters = real.parameters

        override fun engineSetMode(mode: String?) = Unit

        override fun engineSetPadding(padding: String?) = Unit

        override fun engineInit(mode: Int, key: Key?, params: AlgorithmParameters?, random: SecureRandom?) = no()

        override fun engineUpdate(input: ByteArray?, offset: Int, length: Int): ByteArray = no()

        override fun engineUpdate(input: ByteArray?, offset: Int, length: Int, output: ByteArray?, at: Int): Int = no()

        override fun engineDoFinal(input: ByteArray?, offset: Int, length: Int, output: ByteArray?, at: Int): Int = no()

        private fun no(): Nothing = throw UnsupportedOperationException()
    }

    class Store : KeyStoreSpi() {
        override fun engineGetKey(alias: String, password: CharArray?): Key? {
            Phone.noKey?.let { throw it }
            return Phone.keys[alias]
        }

        override fun engineDeleteEntry(alias: String) {
            Phone.keys.remove(alias)
        }

        override fun engineAliases(): Enumeration<String> = Collections.enumeration(Phone.keys.keys.toList())

        override fun engineContainsAlias(alias: String) = alias in Phone.keys

        override fun engineSize() = Phone.keys.size

        override fun engineIsKeyEntry(alias: String) = alias in Phone.keys

        override fun engineIsCertificateEntry(alias: String) = false

        override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit

        override fun engineGetCertificateChain(alias: String): Array<Certificate>? = null

        override fun engineGetCertificate(alias: String): Certificate? = null

        override fun engineGetCreationDate(alias: String): Date? = null

        override fun engineGetCertificateAlias(certificate: Certificate?): String? = null

        override fun engineSetKeyEntry(alias: String?, key: Key?, password: CharArray?, chain: Array<out Certificate>?) = no()

        override fun engineSetKeyEntry(alias: String?, key: ByteArray?, chain: Array<out Certificate>?) = no()

        override fun engineSetCertificateEntry(alias: String?, certificate: Certificate?) = no()

        override fun engineStore(stream: OutputStream?, password: CharArray?) = no()

        private fun no(): Nothing = throw UnsupportedOperationException()
    }
}
