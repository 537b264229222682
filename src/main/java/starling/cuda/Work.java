package starling.cuda;

import java.util.List;

/**
 * Work that the host layer counted while it executed kernels: what blocks asked for, so a value
 * that two blocks read counts twice.
 *
 * @param launches kernels started
 * @param blocks of all grids
 * @param read bytes from global memory
 * @param written bytes to global memory
 * @param flops of products and FMAs
 * @param barriers block-wide, once per block
 * @param kernels names of the kernels behind an operator, in the order of their launches
 */
public record Work(
    long launches,
    long blocks,
    long read,
    long written,
    long flops,
    long barriers,
    List<String> kernels) {}
