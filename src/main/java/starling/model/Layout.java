package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Span;

/**
 * Where the rows of a prompt stand in the decoder's sequence.
 *
 * @param rows T, all rows
 * @param pictures the rows of each picture's patches, CLS not among them
 * @param texts the rows of each run of text tokens
 */
record Layout(int rows, List<Span> pictures, List<Text> texts) {

  /**
   * A run of text.
   *
   * @param id index of its first token among the prompt's ids
   * @param rows its rows
   */
  record Text(int id, Span rows) {}

  /**
   * @param ids the prompt
   * @param imageToken id of a picture's placeholder
   * @param cls rows in front of a picture's patches: 1 if its CLS row goes along, else 0
   * @param patches rows of each picture's patches
   */
  static Layout of(int[] ids, int imageToken, int cls, int[] patches) {
    var pictures = new ArrayList<Span>();
    var texts = new ArrayList<Text>();
    int row = 0;
    int start = 0;
    for (int i = 0; i <= ids.length; i++) {
      boolean picture = i < ids.length && ids[i] == imageToken;
      if ((picture || i == ids.length) && i > start) {
        texts.add(new Text(start, new Span(row, row + i - start)));
        row += i - start;
      }
      if (picture) {
        int from = row + cls;
        row = from + patches[pictures.size()];
        pictures.add(new Span(from, row));
        start = i + 1;
      }
    }
    return new Layout(row, List.copyOf(pictures), List.copyOf(texts));
  }

  /** The rows behind the last picture. */
  Span lastText() {
    return new Span(pictures.isEmpty() ? 0 : pictures.getLast().to(), rows);
  }

  /** The layout after the pictures were cut to {@code kept} rows each. */
  Layout cut(int[] kept) {
    var after = new ArrayList<Span>();
    int dropped = 0;
    for (int i = 0; i < kept.length; i++) {
      int from = pictures.get(i).from() - dropped;
      after.add(new Span(from, from + kept[i]));
      dropped += pictures.get(i).length() - kept[i];
    }
    return new Layout(rows - dropped, List.copyOf(after), List.of());
  }
}
