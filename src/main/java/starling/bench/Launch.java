package starling.bench;

/**
 * One way to launch the same empty kernel, one block on one stream.
 *
 * @param by foreign function calls, JCuda's JNI or a captured graph
 * @param hostMicros until the driver has taken one of many; median of batches
 * @param doneMicros until one of many is done
 * @param absent why there are no figures, or null
 */
public record Launch(String by, Double hostMicros, Double doneMicros, String absent) {}
