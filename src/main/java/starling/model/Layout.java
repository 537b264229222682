package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Span;

/**
 * Where the rows of a prompt stand in the decoder's sequence.
 *
 * @param rows T, all rows
 * @param images the rows of each image
 * @param texts the rows of each run of text tokens
 */
public record Layout(int rows, List<Span> images, List<Text> texts) {

  /**
   * A run of text.
   *
   * @param id index of its first token among the prompt's ids
   * @param rows its rows
   */
  public record Text(int id, Span rows) {}

  /**
   * @param ids the prompt
   * @param imageToken id of an image's placeholder
   * @param imageRows rows of each image
   */
  static Layout of(int[] ids, int imageToken, int[] imageRows) {
    var images = new ArrayList<Span>();
    var texts = new ArrayList<Text>();
    int row = 0;
    int start = 0;
    for (int i = 0; i <= ids.length; i++) {
      boolean image = i < ids.length && ids[i] == imageToken;
      if ((image || i == ids.length) && i > start) {
        texts.add(new Text(start, new Span(row, row + i - start)));
        row += i - start;
      }
      if (image) {
        int from = row;
        row += imageRows[images.size()];
        images.add(new Span(from, row));
        start = i + 1;
      }
    }
    return new Layout(row, List.copyOf(images), List.copyOf(texts));
  }

  /** The rows behind the last image. */
  Span lastText() {
    return new Span(images.isEmpty() ? 0 : images.getLast().to(), rows);
  }

  /** The layout after the images were cut to so many rows each. */
  Layout cut(int[] imageRows) {
    var after = new ArrayList<Span>();
    int dropped = 0;
    for (int i = 0; i < imageRows.length; i++) {
      int from = images.get(i).from() - dropped;
      after.add(new Span(from, from + imageRows[i]));
      dropped += images.get(i).length() - imageRows[i];
    }
    return new Layout(rows - dropped, List.copyOf(after), List.of());
  }
}
