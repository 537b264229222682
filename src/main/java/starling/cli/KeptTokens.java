package starling.cli;

import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.util.Arrays;
import java.util.List;
import starling.Answer;
import starling.Model;
import starling.Question;
import starling.image.Overlay;
import starling.image.Overlay.Fate;
import starling.image.Picture;

/** Pictures of which visual tokens an answer kept. */
final class KeptTokens {
  private KeptTokens() {}

  static BufferedImage draw(
      Model model, Picture picture, int image, Answer answer, Question question) {
    var prepared = model.prepare(picture, question.imageMode(), "picture " + image);
    return Overlay.draw(
        picture, prepared.region(), fates(model.config().patches(), image, answer.stages()));
  }

  static Fate[] fates(int patches, int image, List<Answer.Stage> stages) {
    var fates = new Fate[patches];
    Arrays.fill(fates, Fate.KEPT);
    for (Answer.Stage stage : stages) {
      if (stage.image() == image) {
        var kept = new boolean[patches];
        stage.kept().forEach(patch -> kept[patch] = true);
        for (int i = 0; i < patches; i++) {
          if (fates[i] == Fate.KEPT && !kept[i]) {
            fates[i] = stage.stage() == 1 ? Fate.DROPPED_BY_STAGE_1 : Fate.DROPPED_LATER;
          }
        }
      }
    }
    return fates;
  }

  static BufferedImage beside(List<BufferedImage> images) {
    if (images.size() == 1) {
      return images.get(0);
    }
    int gap = 8;
    int width = images.stream().mapToInt(i -> i.getWidth() + gap).sum() - gap;
    int height = images.stream().mapToInt(BufferedImage::getHeight).max().orElseThrow();
    var all = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = all.createGraphics();
    int x = 0;
    for (BufferedImage image : images) {
      g.drawImage(image, x, 0, null);
      x += image.getWidth() + gap;
    }
    g.dispose();
    return all;
  }
}
