package starling.cuda;

/**
 * How fast a GPU's cores ran at a moment.
 *
 * @param mhz the multiprocessors' clock
 * @param throttled whether power, heat or the driver hold it below what it could be
 */
public record Clock(int mhz, boolean throttled) {}
