//! Cycles in `needs` and `after`.

/// Nodes on a cycle, in its order, for each cycle that a walk meets; at most five. Takes time proportional to the edges.
pub(crate) fn cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    let mut found = Vec::new();
    for start in 0..edges.len() {
        if marks[start] != Mark::New {
            continue;
        }
        // The path from `start`, each node with the number of its edges already followed. No recursion: a chain of
        // 5,000 jobs must not depend on the size of a stack.
        let mut path = vec![(start, 0)];
        marks[start] = Mark::OnPath;
        while let Some((node, followed)) = path.last_mut() {
            let Some(next) = edges[*node].get(*followed).copied() else {
                marks[*node] = Mark::Done;
                path.pop();
                continue;
            };
            *followed += 1;
            match marks[next] {
                Mark::New => {
                    marks[next] = Mark::OnPath;
                    path.push((next, 0));
                }
                Mark::OnPath if found.len() < 5 => {
                    let from = path.iter().position(|(node, _)| *node == next).expect("marked nodes are on the path");
                    found.push(path[from..].iter().map(|(node, _)| *node).collect());
                }
                Mark::OnPath | Mark::Done => {}
            }
        }
    }
    found
}
