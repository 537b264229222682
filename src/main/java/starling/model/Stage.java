package starling.model;

import starling.device.Tensor;
import starling.prune.Where;

/**
 * A cut that was made for one picture; its tensors stay on the device until somebody reads them.
 *
 * @param stage 1 before the decoder, 2 for the first cut inside it, 3, 4 … for later ones
 * @param image number of the picture, from 0
 * @param layer blocks that ran in full before the cut
 * @param candidates rows to choose from
 * @param kept i32: indices of the kept patches in the full grid, ascending
 * @param score f32 {@code [candidates]}, or null if the method ranks by none
 */
public record Stage(
    int stage, int image, Where where, int layer, int candidates, Tensor kept, Tensor score) {}
