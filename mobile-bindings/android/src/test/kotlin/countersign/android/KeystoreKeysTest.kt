package countersign.android

import android.security.keystore.KeyProperties
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test

/** What the key store is asked for. */
class KeystoreKeysTest {
    @BeforeEach
    fun phone() = Phone.install()

    private fun made(unlocking: Unlocking = Unlocking.BIOMETRIC, sdk: Int = 35, person: Boolean = true) =
        KeystoreKeys(unlocking, sdk).make("a", person).let { Phone.keys.getValue("a").spec }

    @Test
    fun `a protected key wants a fingerprint or face for each use, and ends when one is added`() {
        val spec = made()
        assertTrue(spec.isUserAuthenticationRequired)
        assertTrue(spec.isInvalidatedByBiometricEnrollment)
        assertEquals(0, spec.userAuthenticationValidityDurationSeconds)
        assertEquals(KeyProperties.AUTH_BIOMETRIC_STRONG, spec.userAuthenticationType)
    }

    @Test
    fun `with the lock screen too, if the app says so and Android can`() {
        val both = KeyProperties.AUTH_BIOMETRIC_STRONG or KeyProperties.AUTH_DEVICE_CREDENTIAL
        assertEquals(both, made(Unlocking.BIOMETRIC_OR_LOCK_SCREEN).userAuthenticationType)
        val old = made(Unlocking.BIOMETRIC_OR_LOCK_SCREEN, sdk = 29)
        assertTrue(old.isUserAuthenticationRequired && old.isInvalidatedByBiometricEnrollment)
        assertEquals(KeyProperties.AUTH_BIOMETRIC_STRONG, old.userAuthenticationType)
        // For each use, as before Android 11.
        assertTrue(old.userAuthenticationValidityDurationSeconds <= 0)
    }

    @Test
    fun `an ordinary key works while nobody is there`() {
        assertFalse(made(person = false).isUserAuthenticationRequired)
    }

    @Test
    fun `AES-GCM with 256 bits and nothing else`() {
        val spec = made(person = false)
        assertEquals(256, spec.keySize)
        assertArrayEquals(arrayOf(KeyProperties.BLOCK_MODE_GCM), spec.blockModes)
        assertArrayEquals(arrayOf(KeyProperties.ENCRYPTION_PADDING_NONE), spec.encryptionPaddings)
        assertEquals(KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT, spec.purposes)
        assertTrue(spec.isRandomizedEncryptionRequired)
    }

    @Test
    fun `in StrongBox where there is one`() {
        assertTrue(made().isStrongBoxBacked)
        Phone.strongBox = false
        assertFalse(made().isStrongBoxBacked)
    }
}
