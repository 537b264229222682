package starling;

/**
 * Provided by the jars that come beside this one: the demo's files (classifier {@code demo}) and
 * the kernels (classifier {@code linux-x86_64}). A program on the module path thereby gets them
 * without naming them, since a module that provides what another one uses is started with it. On
 * the class path nobody asks for it. It has no methods: the files are found as resources.
 */
public interface CompanionJar {}
