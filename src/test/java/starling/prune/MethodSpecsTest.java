package starling.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.ServiceConfigurationError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.device.PositionRule;
import starling.input.InputException;

/** What a spec's text becomes: the method, its defaults, where it cuts; and whose name it is. */
class MethodSpecsTest {
  private static final VlmShape SHAPE =
      new VlmShape(List.of(ImageTokens.grid(4, 4, 1, false)), Budget.IMAGE, 23, 32, 5);

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          none | none
          random:keep=4 | random:keep=4,seed=0
          random:keep=4,seed=-7 | random:keep=4,seed=-7
          uniform:keep=0.5 | uniform:keep=0.5
          fastv:keep=4 | fastv:K=2,keep=4
          fastv:keep=4,K=9 | fastv:K=9,keep=4
          fastervlm:keep=4 | fastervlm:keep=4
          vispruner:keep=4 | vispruner:keep=4,important=0.5
          vispruner:keep=4,important=1 | vispruner:keep=4,important=1
          uniform:keep=4,budget=image | uniform:keep=4
          uniform:keep=4,budget=crop | uniform:keep=4,budget=crop
          star | star:R=0.1,K=14,P=0.95,score=colmean,queries=text,base=original,round=nearest,positions=keep,kv=full
          star:R=0,K=3,P=0.5,score=cls,queries=last,base=remaining,round=ceil,positions=compact,kv=compact | star:R=0,K=3,P=0.5,score=cls,queries=last,base=remaining,round=ceil,positions=compact,kv=compact
          replay:some/trace.json | replay:some/trace.json
          """)
  void aReportWritesEveryOptionOut(String spec, String whole) {
    assertEquals(whole, Methods.parse(spec).spec(SHAPE));
  }

  @Test
  void aBudgetIsOverTheImageUnlessTheSpecSaysCrop() {
    assertEquals(Budget.IMAGE, Methods.parse("uniform:keep=4").budget());
    Method perCrop = Methods.parse("uniform:keep=4,budget=crop");
    assertEquals(Budget.CROP, perCrop.budget());
    assertEquals(4, perCrop.cuts(SHAPE).getFirst().kept(0));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          none:budget=image | pruning spec 'none:budget=image': unknown option 'budget'; none takes none
          uniform:keep=4,budget=row | pruning spec 'uniform:keep=4,budget=row': budget=row must be one of crop, image
          uniform:keep=4,seed=1 | pruning spec 'uniform:keep=4,seed=1': unknown option 'seed'; uniform knows budget, keep
          replay: | pruning spec 'replay:': replay needs the file of a trace
          """)
  void aSpecThatIsNoneIsRefused(String spec, String sentence) {
    assertEquals(
        sentence, assertThrows(InputException.class, () -> Methods.parse(spec)).getMessage());
  }

  @Test
  void aFileNameThatIsNoneIsRefused() {
    assertEquals(
        "pruning spec 'replay:a\\u0000b': not a file name",
        assertThrows(InputException.class, () -> Methods.parse("replay:a\0b")).getMessage());
  }

  @ParameterizedTest
  @CsvSource({
    "star:P=0, VISION, PATCHES, CONTIGUOUS, false, 23, 14",
    "'star:P=0,score=colmean_cls', VISION, PATCHES_AND_CLS, CONTIGUOUS, false, 23, 14",
    "'star:P=0,score=cls', VISION, CLS, CONTIGUOUS, false, 23, 14",
    "'star:R=0,P=0.5', DECODER, TEXT, KEEP, false, 14, 8",
    "'star:R=0,P=0.5,K=3,queries=last', DECODER, LAST, KEEP, false, 3, 8",
    "'star:R=0,P=0.5,positions=compact', DECODER, TEXT, CONTIGUOUS, false, 14, 8",
    "'star:R=0,P=0.5,kv=compact', DECODER, TEXT, KEEP, true, 14, 8",
    "fastv:keep=3, DECODER, LAST, KEEP, false, 2, 3",
    "fastervlm:keep=3, VISION, CLS, CONTIGUOUS, false, 23, 3",
  })
  void aMethodByAttentionCutsWhereItsPaperSays(
      String spec,
      CutSite where,
      Queries queries,
      PositionRule positions,
      boolean compacts,
      int layer,
      int kept) {
    CutPoint cut = Methods.parse(spec).cuts(SHAPE).getFirst();
    assertEquals(new AttentionCut(where, layer, queries, List.of(kept), positions, compacts), cut);
    assertEquals(where, cut.where());
    assertEquals(compacts, cut.compactsCache());
    assertEquals(kept, cut.kept(0));
    assertTrue(cut.scored());
    assertFalse(cut.counted());
    assertEquals(1, cut.sources());
  }

  @Test
  void aFixedCutHasNoScoreAndAnAttentionCutGoesByRowsThatAreThere() {
    CutPoint cut = Methods.parse("uniform:keep=3").cuts(SHAPE).getFirst();
    assertEquals(CutSite.PROJECTOR_INPUT, cut.where());
    assertEquals(23, cut.layer());
    assertEquals(3, cut.kept(0));
    assertFalse(cut.scored());
    assertFalse(cut.compactsCache());
    assertEquals(PositionRule.CONTIGUOUS, cut.positions());
    for (CutSite where : CutSite.values()) {
      for (Queries queries : Queries.values()) {
        boolean ofText = queries == Queries.TEXT || queries == Queries.LAST;
        if (ofText == (where == CutSite.DECODER)) {
          new AttentionCut(where, 1, queries, List.of(1), PositionRule.KEEP, false);
        } else {
          assertEquals(
              "an AttentionCut at " + where + " cannot go by " + queries + ", which are not there",
              assertThrows(
                      IllegalArgumentException.class,
                      () ->
                          new AttentionCut(where, 1, queries, List.of(1), PositionRule.KEEP, false))
                  .getMessage());
        }
      }
    }
  }

  @Test
  void reportsCallBothSidesOfTheProjectorByOneName() {
    assertEquals(
        List.of("vision", "projector", "projector", "decoder"),
        List.of(CutSite.values()).stream().map(CutSite::label).toList());
  }

  /** Names what the next class of providers calls its method; an empty name is none at all. */
  private static String name;

  private static Method made;

  /** A method from outside, whose name each test chooses. */
  public static final class Outside implements MethodProvider {
    @Override
    public String name() {
      return name;
    }

    @Override
    public Method parse(Spec spec) {
      return made;
    }
  }

  private static Method parse(String spec, Path classes, String... providers) throws IOException {
    Path file = classes.resolve("META-INF/services/" + MethodProvider.class.getName());
    Files.createDirectories(file.getParent());
    Files.writeString(file, String.join("\n", providers));
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (var loader = new URLClassLoader(new URL[] {classes.toUri().toURL()}, before)) {
      thread.setContextClassLoader(loader);
      return Methods.parse(spec);
    } finally {
      thread.setContextClassLoader(before);
    }
  }

  private static String outside(String spec, Path classes) {
    return assertThrows(
            ServiceConfigurationError.class, () -> parse(spec, classes, Outside.class.getName()))
        .getMessage();
  }

  @Test
  void aMethodFromOutsideIsFoundByItsName(@TempDir Path classes) throws IOException {
    name = "out-side_2.B";
    made = new Uniform(new Spec.Keep("x", 3, 0));
    assertSame(made, parse("out-side_2.B", classes, Outside.class.getName()));
    assertInstanceOf(
        PerCrop.class, parse("out-side_2.B:budget=crop", classes, Outside.class.getName()));
    assertInstanceOf(None.class, parse("none", classes, Outside.class.getName()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a:b", "a,b", "é"})
  void aNameThatNoSpecCanHoldIsRefusedWhateverTheSpec(String wrong, @TempDir Path classes) {
    name = wrong;
    assertEquals(
        "starling.prune.MethodProvider: "
            + Outside.class.getName()
            + " calls its method '"
            + wrong
            + "'; a name is letters, digits, '.', '_' and '-'",
        outside("none", classes));
  }

  @Test
  void noNameIsRefusedToo(@TempDir Path classes) {
    name = null;
    assertTrue(outside("none", classes).contains("calls its method 'null'; a name is"));
  }

  @ParameterizedTest
  @CsvSource({
    "star, starling.prune.Star",
    "none, starling.prune.None",
    "replay, starling.prune.Replay"
  })
  void aNameThatIsTakenIsRefusedWithWhoHasIt(String taken, String owner, @TempDir Path classes) {
    name = taken;
    assertEquals(
        "starling.prune.MethodProvider: "
            + Outside.class.getName()
            + " calls its method '"
            + taken
            + "', and so does "
            + owner,
        outside("uniform:keep=1", classes));
  }

  @Test
  void aProviderThatMakesNothingIsNamed(@TempDir Path classes) {
    name = "nothing";
    made = null;
    assertEquals(
        "starling.prune.MethodProvider: "
            + Outside.class.getName()
            + " makes no method of 'nothing'",
        outside("nothing", classes));
  }

  @Test
  void aClassThatTheJvmWillNotHaveIsAProviderThatCannotBeUsed(@TempDir Path classes)
      throws IOException {
    Path broken = classes.resolve("Broken.class");
    Files.write(broken, new byte[] {(byte) 0xca, (byte) 0xfe, (byte) 0xba, (byte) 0xbe, 0, 0});
    ServiceConfigurationError error =
        assertThrows(ServiceConfigurationError.class, () -> parse("none", classes, "Broken"));
    assertTrue(error.getMessage().startsWith("starling.prune.MethodProvider: "));
    assertTrue(error.getMessage().endsWith("a class of it cannot be loaded"), error.getMessage());
    assertInstanceOf(LinkageError.class, error.getCause());
  }

  /** All that there are, in order of the alphabet, whoever adds one. */
  @Test
  void anUnknownMethodIsToldTheKnownOnes() {
    String front = "pruning spec 'median': unknown method 'median'; known are ";
    String said = assertThrows(InputException.class, () -> Methods.parse("median")).getMessage();
    assertTrue(said.startsWith(front) && said.endsWith(" and replay:FILE"), said);
    String names = said.substring(front.length(), said.length() - " and replay:FILE".length());
    List<String> known = List.of(names.split(", ", -1));
    assertEquals(known.stream().sorted().toList(), known);
    List<String> oldest =
        List.of("fastervlm", "fastv", "none", "random", "star", "uniform", "vispruner");
    assertTrue(known.containsAll(oldest), said);
  }
}
