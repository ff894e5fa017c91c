package countersign.android

import android.security.keystore.KeyProperties
import java.io.File
import java.io.IOException
import java.nio.channels.FileChannel
import java.nio.file.StandardOpenOption
import javax.crypto.Cipher
import sun.reflect.ReflectionFactory

/** What `Os.fsync` does on a phone. */
fun syncWithNio(folder: File) = FileChannel.open(folder.toPath(), StandardOpenOption.READ).use { it.force(true) }

fun full(@Suppress("unused") folder: File): Unit = throw IOException("no space left")

/** An object of that class which no constructor has seen: for one that only has to be there, and can't be made without a phone. */
inline fun <reified T : Any> bare(): T = ReflectionFactory.getReflectionFactory()
    .newConstructorForSerialization(T::class.java, Any::class.java.getDeclaredConstructor()).newInstance() as T

/** A person who is recognised, or does something else. */
class Person : Prompt {
    var answer: suspend (Cipher) -> Cipher = ::recognised
    val reasons = mutableListOf<String>()
    val ways = mutableListOf<Unlocking>()

    @Suppress("RedundantSuspendModifier")
    suspend fun recognised(cipher: Cipher): Cipher {
        // Who may do it with the lock screen's code does.
        Phone.recognised = if (ways.last() == Unlocking.BIOMETRIC) KeyProperties.AUTH_BIOMETRIC_STRONG else KeyProperties.AUTH_DEVICE_CREDENTIAL
        return cipher
    }

    override suspend fun authorise(cipher: Cipher, reason: String, unlocking: Unlocking): Cipher {
        reasons += reason
        ways += unlocking
        return answer(cipher)
    }
}
