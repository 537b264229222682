package starling.prune;

/**
 * What a method may know before anything runs: the sizes its counts follow from.
 *
 * @param patches N, visual tokens of one picture (CLS not counted)
 * @param visionBlocks blocks of the vision tower that run
 * @param layers decoder layers
 * @param images pictures in the prompt
 * @param textRows rows of the prompt after the last picture
 */
public record VlmShape(int patches, int visionBlocks, int layers, int images, int textRows) {}
