package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.source.doctree.DocCommentTree;
import com.sun.source.doctree.DocTree;
import com.sun.source.doctree.ParamTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.ModifiersTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.Tree.Kind;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePath;
import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.lang.model.element.Modifier;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/**
 * Every public name of an exported package says what it is: types, methods, constructors, fields,
 * constants, and the components of records (by {@code @param}). What overrides has its parent's.
 */
class PublicNamesTest {
  private static final Path SOURCES = Checkout.path("src/main/java");

  private final List<String> silent = new ArrayList<>();
  private int names;

  @Test
  void everyPublicNameSaysWhatItIs() throws IOException {
    var compiler = ToolProvider.getSystemJavaCompiler();
    try (var files = compiler.getStandardFileManager(null, null, null)) {
      var units = files.getJavaFileObjectsFromPaths(exported());
      var options = List.of("-proc:none");
      var task = (JavacTask) compiler.getTask(null, files, null, options, null, units);
      DocTrees docs = DocTrees.instance(task);
      for (CompilationUnitTree unit : task.parse()) {
        TreePath path = new TreePath(unit);
        for (Tree type : unit.getTypeDecls()) {
          if (type instanceof ClassTree c && isPublic(c.getModifiers(), false)) {
            check(new TreePath(path, c), docs, unit.getPackageName() + ".");
          }
        }
      }
    }
    assertTrue(names > 500, "names were found: " + names);
    assertEquals(
        "", String.join("\n", silent), silent.size() + " of " + names + " have no comment");
  }

  private static List<Path> exported() throws IOException {
    ModuleDescriptor module =
        ModuleFinder.of(Checkout.path("target/classes")).find("starling").get().descriptor();
    var sources = new ArrayList<Path>();
    for (ModuleDescriptor.Exports exports : module.exports()) {
      try (var files = Files.list(SOURCES.resolve(exports.source().replace('.', '/')))) {
        files.filter(f -> f.toString().endsWith(".java")).forEach(sources::add);
      }
    }
    return sources;
  }

  private static boolean isPublic(ModifiersTree modifiers, boolean inInterface) {
    Set<Modifier> flags = modifiers.getFlags();
    return flags.contains(Modifier.PUBLIC)
        || flags.contains(Modifier.PROTECTED)
        || (inInterface && !flags.contains(Modifier.PRIVATE));
  }

  private void check(TreePath path, DocTrees docs, String prefix) {
    var type = (ClassTree) path.getLeaf();
    String name = prefix + type.getSimpleName();
    DocCommentTree comment = docs.getDocCommentTree(path);
    says(comment, name);
    Set<String> parameters = parameters(comment);
    boolean inInterface = type.getKind() == Kind.INTERFACE;
    for (Tree member : type.getMembers()) {
      TreePath to = new TreePath(path, member);
      switch (member) {
        case ClassTree inner -> {
          if (isPublic(inner.getModifiers(), inInterface)) {
            check(to, docs, name + ".");
          }
        }
        case MethodTree method -> {
          if (isPublic(method.getModifiers(), inInterface) && isNew(method, type)) {
            says(docs.getDocCommentTree(to), name + "." + method.getName() + "()");
          }
        }
        case VariableTree field -> {
          if (type.getKind() == Kind.RECORD && !isStatic(field)) {
            count(parameters.contains("" + field.getName()), name + "." + field.getName());
          } else if (isPublic(field.getModifiers(), inInterface)) {
            says(docs.getDocCommentTree(to), name + "." + field.getName());
          }
        }
        default -> {}
      }
    }
  }

  private static boolean isStatic(VariableTree field) {
    return field.getModifiers().getFlags().contains(Modifier.STATIC);
  }

  /** Neither an override nor a record's own constructor, whose parameters its head describes. */
  private static boolean isNew(MethodTree method, ClassTree type) {
    boolean overrides =
        method.getModifiers().getAnnotations().stream()
            .anyMatch(a -> a.getAnnotationType().toString().equals("Override"));
    long components =
        type.getMembers().stream().filter(m -> m instanceof VariableTree v && !isStatic(v)).count();
    int parameters = method.getParameters().size(); // none where it is written in its short form
    boolean canonical =
        type.getKind() == Kind.RECORD
            && method.getReturnType() == null
            && (parameters == 0 || parameters == components);
    return !overrides && !canonical;
  }

  private static Set<String> parameters(DocCommentTree comment) {
    return comment == null
        ? Set.of()
        : comment.getBlockTags().stream()
            .filter(tag -> tag.getKind() == DocTree.Kind.PARAM)
            .map(tag -> ((ParamTree) tag).getName().toString())
            .collect(Collectors.toSet());
  }

  private void says(DocCommentTree comment, String name) {
    count(comment != null, name);
  }

  private void count(boolean says, String name) {
    names++;
    if (!says) {
      silent.add(name);
    }
  }
}
