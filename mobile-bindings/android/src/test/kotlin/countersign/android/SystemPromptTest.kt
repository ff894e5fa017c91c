package countersign.android

import android.content.ContextWrapper
import android.hardware.biometrics.BiometricConstants
import android.hardware.biometrics.BiometricManager.Authenticators.BIOMETRIC_STRONG
import android.hardware.biometrics.BiometricManager.Authenticators.DEVICE_CREDENTIAL
import android.hardware.biometrics.BiometricPrompt
import android.hardware.biometrics.PromptInfo
import android.os.CancellationSignal
import java.util.concurrent.Executor
import javax.crypto.Cipher
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows

@Timeout(20)
class SystemPromptTest {
    private val cipher = Cipher.getInstance("AES/GCM/NoPadding")

    private fun recognised(cipher: Cipher?) =
        BiometricPrompt.AuthenticationResult(cipher?.let(BiometricPrompt::CryptoObject), BiometricPrompt.AUTHENTICATION_RESULT_TYPE_BIOMETRIC)

    /** What the system would show. */
    private fun shown(unlocking: Unlocking, sdk: Int): PromptInfo {
        val context = object : ContextWrapper(null) {
            override fun getMainExecutor() = Executor(Runnable::run)
        }
        val builder = Question("Countersign", "because", unlocking, sdk).builder(context, "Cancel") {}
        return BiometricPrompt.Builder::class.java.getDeclaredField("mPromptInfo").apply { isAccessible = true }.get(builder) as PromptInfo
    }

    @Test
    fun `it shows what it is about`() {
        val shown = shown(Unlocking.BIOMETRIC, 35)
        assertEquals("Countersign", shown.title)
        assertEquals("because", shown.description)
        assertTrue(shown.isConfirmationRequested)
    }

    @Test
    fun `whom it takes fits the key, in every version of Android`() {
        val lockScreen = shown(Unlocking.BIOMETRIC_OR_LOCK_SCREEN, 30)
        assertEquals(BIOMETRIC_STRONG or DEVICE_CREDENTIAL, lockScreen.authenticators)
        assertNull(lockScreen.negativeButtonText)
        val biometric = shown(Unlocking.BIOMETRIC, 30)
        assertEquals(BIOMETRIC_STRONG, biometric.authenticators)
        assertEquals("Cancel", biometric.negativeButtonText)
        // The setter is not there before Android 11.
        for (unlocking in Unlocking.entries) {
            val old = shown(unlocking, 28)
            assertEquals(0, old.authenticators)
            assertEquals("Cancel", old.negativeButtonText)
        }
    }

    @Test
    fun `recognised, also twice, the cipher comes back`() = runBlocking {
        assertSame(cipher, answer { _, callback -> repeat(2) { callback.onAuthenticationSucceeded(recognised(cipher)) } })
    }

    @Test
    fun `the first answer counts`() {
        assertThrows<PromptException.Cancelled> {
            runBlocking {
                answer { _, callback ->
                    // A finger that does not fit: the system asks again by itself.
                    callback.onAuthenticationFailed()
                    callback.onAuthenticationError(BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED, "secret text")
                    callback.onAuthenticationError(BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT, null)
                    callback.onAuthenticationSucceeded(recognised(cipher))
                }
            }
        }
    }

    @Test
    fun `recognised for nothing is no answer`() {
        assertThrows<PromptException.Unavailable> {
            runBlocking { answer { _, callback -> callback.onAuthenticationSucceeded(recognised(null)) } }
        }
    }

    @Test
    fun `cancelled, it takes the question away, and what comes after that is nothing`() = runBlocking {
        lateinit var question: Pair<CancellationSignal, BiometricPrompt.AuthenticationCallback>
        val asking = async(start = CoroutineStart.UNDISPATCHED) { answer { cancel, callback -> question = cancel to callback } }
        val (cancel, callback) = question
        assertFalse(cancel.isCanceled)
        asking.cancelAndJoin()
        assertTrue(cancel.isCanceled)
        callback.onAuthenticationSucceeded(recognised(cipher))
        callback.onAuthenticationError(BiometricPrompt.BIOMETRIC_ERROR_CANCELED, null)
    }

    @Test
    fun `a question that can't be shown is told`() {
        assertThrows<SecurityException> { runBlocking { answer { _, _ -> throw SecurityException() } } }
    }

    @Test
    fun `every error of the system's prompt has a meaning`() {
        val meanings = mapOf(
            BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED to PromptException.Cancelled::class,
            BiometricPrompt.BIOMETRIC_ERROR_CANCELED to PromptException.Cancelled::class,
            BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT to PromptException.Cancelled::class,
            BiometricConstants.BIOMETRIC_ERROR_NEGATIVE_BUTTON to PromptException.Cancelled::class,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT to PromptException.LockedOut::class,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT to PromptException.LockedOut::class,
            BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS to PromptException.Unavailable::class,
            BiometricPrompt.BIOMETRIC_ERROR_HW_NOT_PRESENT to PromptException.Unavailable::class,
            BiometricPrompt.BIOMETRIC_ERROR_VENDOR to PromptException.Unavailable::class,
        )
        for ((code, meaning) in meanings) assertEquals(meaning, PromptException.of(code)::class, "code $code")
        val detail = (PromptException.of(BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS) as PromptException.Unavailable).detail
        assertTrue("settings" in detail)
    }
}
