package starling.model;

import starling.device.Tensor;
import starling.prune.ImageTokens;

/**
 * The lists of an {@link ImageTokens} on the device, as far as they are more than counting: an
 * image that is one grid behind its fixed rows needs none.
 */
final class TokenTables {
  private final ImageTokens tokens;
  private final Tables tables;
  private int row = -1;

  /** Adds what it needs to {@code tables}, which are uploaded before anything is read here. */
  TokenTables(ImageTokens tokens, Tables tables) {
    this.tokens = tokens;
    this.tables = tables;
    if (!tokens.fixedInFront()) {
      row = tables.add(tokens.row());
    }
  }

  /** i32 {@code [n]}: the candidates' rows in the decoder, or null: behind the fixed ones. */
  Tensor row() {
    return row < 0 ? null : tables.at(row, tokens.candidates());
  }

  /** i32: the candidates of a crop. */
  Tensor members(int crop) {
    throw new UnsupportedOperationException("groups of an image");
  }
}
