package starling.device;

/**
 * The card or the processor that a device computes on.
 *
 * @param name of a MIG slice: with its profile
 * @param uuid as the driver writes it; empty where there is none
 * @param memoryBytes all of its memory
 * @param freeBytes memory that is not in use; -1 if unknown
 * @param l2Bytes the last cache before memory (on a CPU an upper bound is assumed)
 * @param multiprocessors of a GPU; threads of a CPU
 * @param architecture compute capability ("9.0") or the CPU's
 * @param mig whether it is a slice of a card
 */
public record DeviceProperties(
    String name,
    String uuid,
    long memoryBytes,
    long freeBytes,
    long l2Bytes,
    int multiprocessors,
    String architecture,
    boolean mig) {}
