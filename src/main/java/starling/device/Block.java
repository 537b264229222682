package starling.device;

import java.lang.foreign.MemorySegment;

/**
 * One allocation of a device.
 *
 * @param memory the host segment on the cpu device, else null
 * @param address the device address on a GPU, else 0
 */
public record Block(MemorySegment memory, long address) {}
