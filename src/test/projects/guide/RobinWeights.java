package starling.checkpoint;

/** The tensors of a Robin checkpoint, found by name and checked against the configuration. */
public record RobinWeights(ClipWeights tower, ProjectorWeights projector, DecoderWeights decoder) {
  public static RobinWeights read(RobinConfig config, Safetensors files) {
    int rows = config.tower().hiddenSize();
    int d = config.decoder().hiddenSize();
    return new RobinWeights(
        ClipWeights.read(config.tower(), config.visionBlocks(), files, "tower."),
        ProjectorWeights.read(rows, d, true, files, "first.", "second."),
        DecoderWeights.read(config.decoder(), false, files, "decoder.", "head.weight"));
  }
}
